;; Sleeps for a millisecond, and waits for a descriptor that is ready.
(module
    (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))
PRELUDE
    (func $now (result i64)
        (call $is (i32.const 1) (call $time (i32.const 1) (i64.const 0) (i32.const 16)) (i32.const 0))
        (i64.load (i32.const 16)))
    (func (export "_start") (local $begun i64)
        (local.set $begun (call $now))
        ;; The monotonic clock, in a million nanoseconds.
        (i64.store (i32.const 1000) (i64.const -2))
        (i32.store (i32.const 1016) (i32.const 1))
        (i64.store (i32.const 1024) (i64.const 1000000))
        (call $is (i32.const 2) (call $poll (i32.const 1000) (i32.const 2000) (i32.const 1) (i32.const 32)) (i32.const 0))
        (call $is (i32.const 3) (i32.load (i32.const 32)) (i32.const 1))
        (call $is (i32.const 4) (i64.eq (i64.load (i32.const 2000)) (i64.const -2)) (i32.const 1))
        (call $is (i32.const 5)
            (i64.ge_u (i64.sub (call $now) (local.get $begun)) (i64.const 1000000)) (i32.const 1))
        ;; Standard output, beside a clock that is an hour late.
        (i64.store (i32.const 1024) (i64.const 3600000000000))
        (i64.store (i32.const 1048) (i64.const 7))
        (i32.store8 (i32.const 1056) (i32.const 2))
        (i32.store (i32.const 1064) (i32.const 1))
        (call $is (i32.const 6) (call $poll (i32.const 1000) (i32.const 2000) (i32.const 2) (i32.const 32)) (i32.const 0))
        (call $is (i32.const 7) (i32.load (i32.const 32)) (i32.const 1))
        (call $is (i32.const 8) (i64.eq (i64.load (i32.const 2000)) (i64.const 7)) (i32.const 1))
        ;; Nothing to wait for: EINVAL.
        (call $is (i32.const 9) (call $poll (i32.const 1000) (i32.const 2000) (i32.const 0) (i32.const 32)) (i32.const 28))))
