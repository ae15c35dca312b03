// The n-th Fibonacci number by naive recursion: `functions/fibonacci` in C.

#include "../c/isolab.h"

#define DEFAULT 20
#define GREATEST 47

static uint32_t fibonacci(uint32_t n) {
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

/// The number of one or two digits, `GREATEST` + 1 for any other text.
static uint32_t parse(text from) {
    uint32_t n = 0;
    bool is_number = from.len == 1 || from.len == 2;
    for (size_t i = 0; is_number && i < from.len; i++) {
        is_number = from.at[i] >= '0' && from.at[i] <= '9';
        n = n * 10 + (from.at[i] - '0');
    }
    return is_number ? n : GREATEST + 1;
}

static void put_decimal(buffer *to, uint32_t number) {
    uint8_t digits[10];
    size_t at = sizeof digits;
    do digits[--at] = '0' + number % 10;
    while (number /= 10);
    put(to, (text){digits + at, sizeof digits - at});
}

static uint32_t handle(const request *request, buffer *body) {
    buffer value = {0};
    uint32_t n = query_value(request->query, TEXT("n"), &value) ? parse(content(&value)) : DEFAULT;
    free(value.at);
    if (n > GREATEST) {
        put(body, TEXT("{\"error\":\"n must be a whole number from 0 to 47\"}"));
        return 400;
    }
    put(body, TEXT("{\"n\":"));
    put_decimal(body, n);
    put(body, TEXT(",\"fibonacci\":"));
    put_decimal(body, fibonacci(n));
    put(body, TEXT("}"));
    return 200;
}
