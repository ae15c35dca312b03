;; Opens a file although no folder is granted: EBADF.
(module
    (import "wasi_snapshot_preview1" "path_open"
        (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
PRELUDE
    (func (export "_start")
        (call $is (i32.const 1) (call $path_open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0)
            (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 16)) (i32.const 8))))
