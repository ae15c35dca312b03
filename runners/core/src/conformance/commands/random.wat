;; Asks for random bytes twice.
(module
    (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
PRELUDE
    (func (export "_start")
        (call $is (i32.const 1) (call $random (i32.const 16) (i32.const 8)) (i32.const 0))
        (call $is (i32.const 2) (call $random (i32.const 24) (i32.const 8)) (i32.const 0))
        (call $is (i32.const 3) (i64.eq (i64.load (i32.const 16)) (i64.load (i32.const 24))) (i32.const 0))
        (call $is (i32.const 4) (call $random (i32.const 65535) (i32.const 2)) (i32.const 21))
        (call $is (i32.const 5) (call $random (i32.const 65536) (i32.const 0)) (i32.const 0))))
