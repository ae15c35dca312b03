;; Never ends.
(module
PRELUDE
    (func (export "_start") (loop $again (br $again))))
