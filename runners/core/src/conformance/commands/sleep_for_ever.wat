;; Sleeps for an hour.
(module
    (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
PRELUDE
    (func (export "_start")
        (i32.store (i32.const 1016) (i32.const 1))
        (i64.store (i32.const 1024) (i64.const 3600000000000))
        (call $is (i32.const 1) (call $poll (i32.const 1000) (i32.const 2000) (i32.const 1) (i32.const 32)) (i32.const 0))))
