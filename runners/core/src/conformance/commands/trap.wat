;; Complains, and traps.
(module
PRELUDE
    (data (i32.const 64) "went wrong\0a")
    (func (export "_start")
        (call $write (i32.const 2) (i32.const 64) (i32.const 11))
        unreachable))
