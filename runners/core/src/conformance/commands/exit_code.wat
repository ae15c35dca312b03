;; Complains, and exits with 3. It must not get further.
(module
PRELUDE
    (data (i32.const 64) "went wrong\0a")
    (func (export "_start")
        (call $write (i32.const 2) (i32.const 64) (i32.const 11))
        (call $exit (i32.const 3))
        (call $exit (i32.const 4))
        unreachable))
