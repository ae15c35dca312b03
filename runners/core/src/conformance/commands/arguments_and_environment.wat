;; Writes its arguments and its environment, each followed by a NUL.
(module
    (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "environ_sizes_get" (func $env_sizes (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "environ_get" (func $env (param i32 i32) (result i32)))
PRELUDE
    (func (export "_start")
        (call $is (i32.const 1) (call $args_sizes (i32.const 16) (i32.const 20)) (i32.const 0))
        (call $is (i32.const 2) (call $args (i32.const 1024) (i32.const 2048)) (i32.const 0))
        (call $write (i32.const 1) (i32.const 2048) (i32.load (i32.const 20)))
        (call $is (i32.const 3) (call $env_sizes (i32.const 16) (i32.const 20)) (i32.const 0))
        (call $is (i32.const 4) (call $env (i32.const 1024) (i32.const 2048)) (i32.const 0))
        (call $write (i32.const 1) (i32.const 2048) (i32.load (i32.const 20)))
        ;; Nothing is written beyond the memory.
        (call $is (i32.const 5) (call $args_sizes (i32.const 65533) (i32.const 20)) (i32.const 21))
        (call $is (i32.const 6) (call $env_sizes (i32.const -1) (i32.const 20)) (i32.const 21))))
