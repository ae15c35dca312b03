// The one instance of a process, for the server in `src`. It is compiled with the header that wasm2c makes.

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest.h"

static Z_guest_instance_t instance;

// Without imports it takes one argument, and ignores the second.
typedef void instantiate(Z_guest_instance_t *, void *);

// A module may lack these.
__attribute__((weak)) void Z_guestZ__initialize(Z_guest_instance_t *);
__attribute__((weak)) void Z_guestZ_wizerZ2Dinitialize(Z_guest_instance_t *);

void isolab_start(void) {
    wasm_rt_init();
    Z_guest_init_module();
    ((instantiate *)Z_guest_instantiate)(&instance, NULL);
    if (Z_guestZ__initialize) Z_guestZ__initialize(&instance);
    if (Z_guestZ_wizerZ2Dinitialize) Z_guestZ_wizerZ2Dinitialize(&instance);
}

uint32_t isolab_module_request(uint32_t len) { return Z_guestZ_isolab_request(&instance, len); }

uint32_t isolab_module_handle(void) { return Z_guestZ_isolab_handle(&instance); }

uint8_t *isolab_memory(size_t *len) {
    const wasm_rt_memory_t *memory = Z_guestZ_memory(&instance);
    *len = memory->size;
    return memory->data;
}

static void say(const char *text) {
    // Nothing else can be done if this fails.
    if (write(STDERR_FILENO, text, strlen(text)) < 0) return;
}

// It may run in a signal handler.
_Noreturn void isolab_trap(int code) {
    say("Wasm trap: ");
    say(wasm_rt_strerror((wasm_rt_trap_t)code));
    say("\n");
    abort();
}

// The unwinder of GCC asks glibc for a function's frames. musl knows none, and nothing is unwound: a panic aborts.
int _dl_find_object(void *address, void *found) {
    (void)address, (void)found;
    return -1;
}

int isolab_main(int count, char **arguments);

int main(int count, char **arguments) { return isolab_main(count, arguments); }
