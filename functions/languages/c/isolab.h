// The guest side of a function in C, as `isolab_sdk::wasm` is that of one in Rust.
//
// The host calls `isolab_request(len)` and writes the request to the address that it returns. Then it calls
// `isolab_handle()`, which returns the address of the response's length; the response follows. `functions/sdk/src/wire.rs`
// describes both messages. A function includes this file once and defines `handle`.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/// Bytes that belong to somebody else.
typedef struct {
    const uint8_t *at;
    size_t len;
} text;

/// Bytes that grow.
typedef struct {
    uint8_t *at;
    size_t len, room;
} buffer;

typedef struct {
    text method, path, query, body;
} request;

/// Answers a request: writes the body and returns the status. The body is JSON.
static uint32_t handle(const request *request, buffer *body);

#define TEXT(literal) ((text){(const uint8_t *)(literal), sizeof(literal) - 1})

static bool equal(text a, text b) {
    return a.len == b.len && memcmp(a.at, b.at, a.len) == 0;
}

static void reserve(buffer *to, size_t more) {
    if (to->room - to->len >= more) return;
    to->room = to->room * 2 > to->len + more ? to->room * 2 : to->len + more;
    to->at = realloc(to->at, to->room);
    if (to->at == NULL) abort();
}

static void put(buffer *to, text from) {
    if (from.len == 0) return;
    reserve(to, from.len);
    memcpy(to->at + to->len, from.at, from.len);
    to->len += from.len;
}

static void put_byte(buffer *to, uint8_t byte) {
    put(to, (text){&byte, 1});
}

static text content(const buffer *from) {
    return (text){from->at, from->len};
}

/// Appends a code point as UTF-8.
static void put_code_point(buffer *to, uint32_t point) {
    if (point < 0x80) {
        put_byte(to, point);
    } else if (point < 0x800) {
        put_byte(to, 0xc0 | point >> 6);
        put_byte(to, 0x80 | (point & 0x3f));
    } else if (point < 0x10000) {
        put_byte(to, 0xe0 | point >> 12);
        put_byte(to, 0x80 | (point >> 6 & 0x3f));
        put_byte(to, 0x80 | (point & 0x3f));
    } else {
        put_byte(to, 0xf0 | point >> 18);
        put_byte(to, 0x80 | (point >> 12 & 0x3f));
        put_byte(to, 0x80 | (point >> 6 & 0x3f));
        put_byte(to, 0x80 | (point & 0x3f));
    }
}

/// The bytes that follow a first byte of UTF-8, and the range of the second one; 0 for a byte that is never first.
static int following(uint8_t first, uint8_t *least, uint8_t *greatest) {
    *least = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    *greatest = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (first >= 0xc2 && first <= 0xdf) return 1;
    if (first >= 0xe0 && first <= 0xef) return 2;
    if (first >= 0xf0 && first <= 0xf4) return 3;
    return 0;
}

/// Appends text as Fetch decodes it: what is not UTF-8 becomes U+FFFD (https://encoding.spec.whatwg.org/#utf-8-decoder).
static void put_decoded(buffer *to, text from) {
    for (size_t i = 0; i < from.len;) {
        uint8_t least, greatest;
        size_t start = i;
        int more = following(from.at[i++], &least, &greatest);
        bool is_whole = from.at[start] < 0x80 || more > 0;
        for (; is_whole && more > 0; more--) {
            is_whole = i < from.len && from.at[i] >= least && from.at[i] <= greatest;
            if (is_whole) i++;
            least = 0x80, greatest = 0xbf;
        }
        put(to, is_whole ? (text){from.at + start, i - start} : TEXT("\xef\xbf\xbd"));
    }
}

static int hex_digit(uint8_t digit) {
    if (digit >= '0' && digit <= '9') return digit - '0';
    digit |= 0x20;
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/// Appends a part of a query as it is meant: without `+` and `%`.
static void put_unescaped(buffer *to, text from) {
    buffer bytes = {0};
    for (size_t i = 0; i < from.len; i++) {
        int high = i + 2 < from.len ? hex_digit(from.at[i + 1]) : -1;
        int low = i + 2 < from.len ? hex_digit(from.at[i + 2]) : -1;
        if (from.at[i] == '%' && high >= 0 && low >= 0) {
            put_byte(&bytes, high << 4 | low);
            i += 2;
        } else {
            put_byte(&bytes, from.at[i] == '+' ? ' ' : from.at[i]);
        }
    }
    put_decoded(to, content(&bytes));
    free(bytes.at);
}

/// Appends the first value of a name in the query. Returns whether there is one.
static bool query_value(text query, text name, buffer *value) {
    for (size_t start = 0; start < query.len;) {
        const uint8_t *pair = query.at + start;
        const uint8_t *end = memchr(pair, '&', query.len - start);
        size_t len = end ? (size_t)(end - pair) : query.len - start;
        const uint8_t *equals = memchr(pair, '=', len);
        size_t name_len = equals ? (size_t)(equals - pair) : len;
        buffer found = {0};
        put_unescaped(&found, (text){pair, name_len});
        bool is_meant = len > 0 && equal(content(&found), name);
        free(found.at);
        if (is_meant) {
            if (equals) put_unescaped(value, (text){equals + 1, len - name_len - 1});
            return true;
        }
        start += len + 1;
    }
    return false;
}

static buffer isolab_incoming, isolab_outgoing;

static uint32_t take_number(text *from) {
    if (from->len < 4) abort();
    uint32_t number;
    // Wasm is little-endian, as the messages are.
    memcpy(&number, from->at, 4);
    *from = (text){from->at + 4, from->len - 4};
    return number;
}

static text take_text(text *from) {
    uint32_t len = take_number(from);
    if (from->len < len) abort();
    text taken = {from->at, len};
    *from = (text){from->at + len, from->len - len};
    return taken;
}

static void put_number(buffer *to, uint32_t number) {
    put(to, (text){(const uint8_t *)&number, 4});
}

static void put_text(buffer *to, text from) {
    put_number(to, from.len);
    put(to, from);
}

__attribute__((export_name("isolab_request"))) uint8_t *isolab_request(size_t len) {
    isolab_incoming.len = 0;
    // An address is wanted for an empty request, too.
    reserve(&isolab_incoming, len + 1);
    isolab_incoming.len = len;
    return isolab_incoming.at;
}

__attribute__((export_name("isolab_handle"))) const uint8_t *isolab_handle(void) {
    text rest = content(&isolab_incoming);
    request asked = {.method = take_text(&rest), .path = take_text(&rest), .query = take_text(&rest)};
    for (uint32_t headers = take_number(&rest); headers > 0; headers--) {
        take_text(&rest);
        take_text(&rest);
    }
    asked.body = take_text(&rest);

    static buffer body;
    body.len = 0;
    uint32_t status = handle(&asked, &body);

    buffer *answer = &isolab_outgoing;
    answer->len = 0;
    put_number(answer, 0);
    put_number(answer, status);
    put_number(answer, 1);
    put_text(answer, TEXT("content-type"));
    put_text(answer, TEXT("application/json"));
    put_text(answer, content(&body));
    uint32_t len = answer->len - 4;
    memcpy(answer->at, &len, 4);
    return answer->at;
}
