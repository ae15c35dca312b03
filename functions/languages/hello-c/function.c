// Greets `myName`, from the JSON body of a POST or else from the query: `functions/hello` in C.

#include "../c/isolab.h"

/// A place in a JSON text.
typedef struct {
    const uint8_t *at, *end;
} place;

typedef enum { WRONG, NOTHING, NAME } found;

static void skip_space(place *from) {
    while (from->at < from->end && memchr(" \t\r\n", *from->at, 4)) from->at++;
}

static bool take(place *from, uint8_t byte) {
    bool is_there = from->at < from->end && *from->at == byte;
    from->at += is_there;
    return is_there;
}

static bool take_word(place *from, text word) {
    bool is_there = (size_t)(from->end - from->at) >= word.len && memcmp(from->at, word.at, word.len) == 0;
    if (is_there) from->at += word.len;
    return is_there;
}

static bool take_hex(place *from, uint32_t *unit) {
    *unit = 0;
    for (int i = 0; i < 4; i++) {
        int digit = from->at < from->end ? hex_digit(*from->at++) : -1;
        if (digit < 0) return false;
        *unit = *unit << 4 | digit;
    }
    return true;
}

/// Reads the rest of an escape `\u`. Half of a surrogate pair clears `is_text`, because it is JSON but no text.
static bool take_unicode(place *from, buffer *to, bool *is_text) {
    uint32_t unit, low;
    if (!take_hex(from, &unit)) return false;
    if (unit >= 0xd800 && unit <= 0xdbff) {
        place rest = *from;
        if (take_word(&rest, TEXT("\\u")) && take_hex(&rest, &low) && low >= 0xdc00 && low <= 0xdfff) {
            *from = rest;
            unit = 0x10000 + (unit - 0xd800) * 0x400 + (low - 0xdc00);
        }
    }
    if (unit >= 0xd800 && unit <= 0xdfff) {
        *is_text = false;
    } else {
        put_code_point(to, unit);
    }
    return true;
}

/// Reads a string whose first quotation mark was read, and appends it. Returns whether it is JSON.
static bool take_string(place *from, buffer *to, bool *is_text) {
    static const char ESCAPED[] = "\"\\/bfnrt", MEANT[] = "\"\\/\b\f\n\r\t";
    while (from->at < from->end) {
        uint8_t byte = *from->at++;
        if (byte == '"') return true;
        if (byte < 0x20) return false;
        if (byte != '\\') {
            put_byte(to, byte);
            continue;
        }
        if (from->at == from->end) return false;
        byte = *from->at++;
        const char *escaped = byte == 'u' ? NULL : memchr(ESCAPED, byte, sizeof ESCAPED - 1);
        if (byte == 'u' ? !take_unicode(from, to, is_text) : !escaped) return false;
        if (escaped) put_byte(to, MEANT[escaped - ESCAPED]);
    }
    return false;
}

static bool take_digits(place *from) {
    const uint8_t *start = from->at;
    while (from->at < from->end && *from->at >= '0' && *from->at <= '9') from->at++;
    return from->at > start;
}

static bool skip_number(place *from) {
    take(from, '-');
    if (!take(from, '0') && !take_digits(from)) return false;
    if (take(from, '.') && !take_digits(from)) return false;
    if (take(from, 'e') || take(from, 'E')) {
        if (!take(from, '+')) take(from, '-');
        return take_digits(from);
    }
    return true;
}

/// Skips a string, number or word.
static bool skip_scalar(place *from) {
    if (take(from, '"')) {
        buffer ignored = {0};
        bool is_text, is_json = take_string(from, &ignored, &is_text);
        free(ignored.at);
        return is_json;
    }
    return take_word(from, TEXT("null")) || take_word(from, TEXT("true")) || take_word(from, TEXT("false")) ||
           skip_number(from);
}

/// Skips the name of a member and its colon.
static bool skip_name(place *from) {
    skip_space(from);
    if (from->at == from->end || *from->at != '"' || !skip_scalar(from)) return false;
    skip_space(from);
    return take(from, ':');
}

/// Skips a value. Its depth is kept on the heap: the sender decides it, and the stack is small.
static bool skip_value(place *from) {
    buffer open = {0};
    bool is_json = true;
    do {
        // A value begins here.
        skip_space(from);
        bool is_object = take(from, '{');
        if (is_object || take(from, '[')) {
            skip_space(from);
            put_byte(&open, is_object ? '}' : ']');
            if (!take(from, open.at[open.len - 1])) {
                is_json = !is_object || skip_name(from);
                continue;
            }
            open.len--;
        } else {
            is_json = skip_scalar(from);
        }
        // A value has ended here: another one follows, or its container ends as well.
        while (is_json && open.len > 0) {
            uint8_t end = open.at[open.len - 1];
            skip_space(from);
            if (take(from, ',')) {
                is_json = end == ']' || skip_name(from);
                break;
            }
            is_json = take(from, end);
            open.len--;
        }
    } while (is_json && open.len > 0);
    free(open.at);
    return is_json;
}

/// Reads the value of `myName`.
static bool take_name(place *from, buffer *name, found *result) {
    skip_space(from);
    name->len = 0;
    *result = WRONG;
    if (take(from, '"')) {
        bool is_text = true;
        if (!take_string(from, name, &is_text)) return false;
        if (is_text) *result = NAME;
        return true;
    }
    if (take_word(from, TEXT("null"))) {
        *result = NOTHING;
        return true;
    }
    return skip_value(from);
}

/// The name in a body. If the body has it twice, the last one counts, as in JavaScript.
static found name_in(text body, buffer *name) {
    place from = {body.at, body.at + body.len};
    found result = NOTHING;
    skip_space(&from);
    if (!take(&from, '{')) return WRONG;
    skip_space(&from);
    bool is_json = true, is_first = true;
    while (is_json && !take(&from, '}')) {
        if (!is_first && !take(&from, ',')) return WRONG;
        is_first = false;
        skip_space(&from);
        buffer key = {0};
        bool is_text = true;
        is_json = take(&from, '"') && take_string(&from, &key, &is_text);
        skip_space(&from);
        is_json = is_json && take(&from, ':');
        if (is_json && is_text && equal(content(&key), TEXT("myName"))) {
            is_json = take_name(&from, name, &result);
        } else if (is_json) {
            is_json = skip_value(&from);
        }
        free(key.at);
        skip_space(&from);
    }
    skip_space(&from);
    return is_json && from.at == from.end ? result : WRONG;
}

/// Appends text in the spelling of `JSON.stringify`.
static void put_escaped(buffer *to, text from) {
    static const char ESCAPED[] = "\"\\\b\f\n\r\t", LETTERS[] = "\"\\bfnrt", HEX[] = "0123456789abcdef";
    for (size_t i = 0; i < from.len; i++) {
        uint8_t byte = from.at[i];
        const char *escaped = byte ? memchr(ESCAPED, byte, sizeof ESCAPED - 1) : NULL;
        if (escaped) {
            put_byte(to, '\\');
            put_byte(to, LETTERS[escaped - ESCAPED]);
        } else if (byte < 0x20) {
            put(to, TEXT("\\u00"));
            put_byte(to, HEX[byte >> 4]);
            put_byte(to, HEX[byte & 15]);
        } else {
            put_byte(to, byte);
        }
    }
}

static found name_of(const request *request, buffer *name) {
    if (!equal(request->method, TEXT("POST"))) {
        return query_value(request->query, TEXT("myName"), name) ? NAME : NOTHING;
    }
    text body = request->body;
    // Fetch drops a byte order mark.
    if (body.len >= 3 && memcmp(body.at, "\xef\xbb\xbf", 3) == 0) body = (text){body.at + 3, body.len - 3};
    buffer decoded = {0};
    put_decoded(&decoded, body);
    found result = name_in(content(&decoded), name);
    free(decoded.at);
    return result;
}

static uint32_t handle(const request *request, buffer *body) {
    buffer name = {0};
    found result = name_of(request, &name);
    if (result == WRONG) {
        put(body, TEXT("{\"error\":\"the body must be a JSON object, with a string as myName if it has one\"}"));
    } else {
        put(body, TEXT("{\"message\":\"Hello "));
        put_escaped(body, result == NAME ? content(&name) : TEXT("World"));
        put(body, TEXT("\"}"));
    }
    free(name.at);
    return result == WRONG ? 400 : 200;
}
