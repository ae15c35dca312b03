;; Copies standard input to standard output, and uses descriptors in ways that fail.
(module
    (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_seek" (func $fd_seek (param i32 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_fdstat_get" (func $fd_status (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
PRELUDE
    (func $read (param $len i32) (result i32)
        (i32.store (i32.const 0) (i32.const 1024))
        (i32.store (i32.const 4) (local.get $len))
        (call $is (i32.const 1) (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)) (i32.const 0))
        (i32.load (i32.const 8)))
    (func (export "_start") (local $len i32)
        (loop $more
            (local.set $len (call $read (i32.const 3)))
            (if (local.get $len) (then
                (call $write (i32.const 1) (i32.const 1024) (local.get $len))
                (br $more))))
        (call $is (i32.const 2) (call $read (i32.const 3)) (i32.const 0))
        ;; No such descriptor, or the wrong one: EBADF.
        (call $is (i32.const 3) (call $fd_write (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)) (i32.const 8))
        (call $is (i32.const 4) (call $fd_write (i32.const 3) (i32.const 0) (i32.const 1) (i32.const 8)) (i32.const 8))
        (call $is (i32.const 5) (call $fd_read (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)) (i32.const 8))
        (call $is (i32.const 6) (call $fd_close (i32.const 7)) (i32.const 8))
        ;; A stream has no position: ESPIPE.
        (call $is (i32.const 8) (call $fd_seek (i32.const 1) (i64.const -1) (i32.const 0) (i32.const 16)) (i32.const 70))
        ;; Beyond the memory: EFAULT.
        (call $is (i32.const 9) (call $fd_status (i32.const 1) (i32.const 65530)) (i32.const 21))
        (i32.store (i32.const 0) (i32.const 65530))
        (i32.store (i32.const 4) (i32.const 100))
        (call $is (i32.const 10) (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)) (i32.const 21))
        (call $is (i32.const 11) (call $fd_status (i32.const 1) (i32.const 16)) (i32.const 0))))
