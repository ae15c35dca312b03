;; Reads the clocks. A precision of 64 bits stands between the two other parameters.
(module
    (import "wasi_snapshot_preview1" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "clock_res_get" (func $resolution (param i32 i32) (result i32)))
PRELUDE
    (func (export "_start")
        (call $is (i32.const 1) (call $time (i32.const 0) (i64.const -1) (i32.const 16)) (i32.const 0))
        ;; The year 2020.
        (call $is (i32.const 2) (i64.gt_u (i64.load (i32.const 16)) (i64.const 1577836800000000000)) (i32.const 1))
        (call $is (i32.const 3) (call $time (i32.const 1) (i64.const 0) (i32.const 16)) (i32.const 0))
        (call $is (i32.const 4) (call $time (i32.const 1) (i64.const 9007199254740993) (i32.const 24)) (i32.const 0))
        (call $is (i32.const 5) (i64.le_u (i64.load (i32.const 16)) (i64.load (i32.const 24))) (i32.const 1))
        (call $is (i32.const 6) (call $resolution (i32.const 1) (i32.const 32)) (i32.const 0))
        (call $is (i32.const 7) (i64.eqz (i64.load (i32.const 32))) (i32.const 0))
        ;; No such clock: EINVAL. Beyond the memory: EFAULT.
        (call $is (i32.const 8) (call $time (i32.const 9) (i64.const 0) (i32.const 16)) (i32.const 28))
        (call $is (i32.const 9) (call $time (i32.const 1) (i64.const 0) (i32.const 65532)) (i32.const 21))))
