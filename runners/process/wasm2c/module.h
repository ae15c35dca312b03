// What the runtime of wasm2c calls at a trap, in place of a jump to its caller.

#define WASM_RT_TRAP_HANDLER isolab_trap

_Noreturn void isolab_trap(int code);
