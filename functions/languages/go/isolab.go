// Package isolab is the guest side of a function in Go, as `isolab_sdk::wasm` is that of one in Rust.
//
// The host calls `isolab_request(len)` and writes the request to the address that it returns. Then it calls
// `isolab_handle()`, which returns the address of the response's length; the response follows.
// `functions/sdk/src/wire.rs` describes both messages. A function sets Handle before its first request.
package isolab

import (
	"encoding/binary"
	"unicode/utf8"
	"unsafe"
)

// A Request has the parts that functions in this folder read.
type Request struct {
	Method, Path, Query string
	Body                []byte
}

// Handle answers a request: it returns the status and a body in JSON.
var Handle func(request Request) (status uint32, body []byte)

var incoming, outgoing []byte

//go:wasmexport isolab_request
func request(length uint32) unsafe.Pointer {
	// An address is wanted for an empty request, too.
	if uint32(cap(incoming)) <= length {
		incoming = make([]byte, length+1)
	}
	incoming = incoming[:length+1]
	address := unsafe.Pointer(&incoming[0])
	incoming = incoming[:length]
	return address
}

//go:wasmexport isolab_handle
func handle() unsafe.Pointer {
	rest := incoming
	asked := Request{Method: string(take(&rest)), Path: string(take(&rest)), Query: string(take(&rest))}
	for headers := takeNumber(&rest); headers > 0; headers-- {
		take(&rest)
		take(&rest)
	}
	asked.Body = take(&rest)
	status, body := Handle(asked)

	answer := append(outgoing[:0], 0, 0, 0, 0)
	answer = binary.LittleEndian.AppendUint32(answer, status)
	answer = binary.LittleEndian.AppendUint32(answer, 1)
	for _, text := range [][]byte{[]byte("content-type"), []byte("application/json"), body} {
		answer = binary.LittleEndian.AppendUint32(answer, uint32(len(text)))
		answer = append(answer, text...)
	}
	binary.LittleEndian.PutUint32(answer, uint32(len(answer)-4))
	outgoing = answer
	return unsafe.Pointer(&outgoing[0])
}

//go:wasmexport wizer-initialize
func initialize() {
	// The runtime and the variables of all packages are the initialisation.
}

func takeNumber(from *[]byte) uint32 {
	number := binary.LittleEndian.Uint32(*from)
	*from = (*from)[4:]
	return number
}

func take(from *[]byte) []byte {
	length := takeNumber(from)
	taken := (*from)[:length]
	*from = (*from)[length:]
	return taken
}

// QueryValue returns the first value of a name in the query, and whether there is one.
func (request Request) QueryValue(name string) (string, bool) {
	rest := request.Query
	for len(rest) > 0 {
		pair := rest
		if end := index(rest, '&'); end >= 0 {
			pair, rest = rest[:end], rest[end+1:]
		} else {
			rest = ""
		}
		value := ""
		key := pair
		if equals := index(pair, '='); equals >= 0 {
			key, value = pair[:equals], pair[equals+1:]
		}
		if len(pair) > 0 && unescaped(key) == name {
			return unescaped(value), true
		}
	}
	return "", false
}

func index(text string, wanted byte) int {
	for at := 0; at < len(text); at++ {
		if text[at] == wanted {
			return at
		}
	}
	return -1
}

// Part of a query as it is meant: without `+` and `%`.
func unescaped(from string) string {
	bytes := make([]byte, 0, len(from))
	for at := 0; at < len(from); at++ {
		if from[at] == '%' && at+2 < len(from) {
			high, low := HexDigit(from[at+1]), HexDigit(from[at+2])
			if high >= 0 && low >= 0 {
				bytes = append(bytes, byte(high<<4|low))
				at += 2
				continue
			}
		}
		if from[at] == '+' {
			bytes = append(bytes, ' ')
		} else {
			bytes = append(bytes, from[at])
		}
	}
	return Decoded(bytes)
}

// HexDigit returns the value of a digit, or -1.
func HexDigit(digit byte) int {
	switch {
	case digit >= '0' && digit <= '9':
		return int(digit - '0')
	case digit|0x20 >= 'a' && digit|0x20 <= 'f':
		return int(digit|0x20) - 'a' + 10
	}
	return -1
}

// Decoded returns text as Fetch decodes it: a sequence that is not UTF-8 becomes U+FFFD, once for each longest part
// that begins one (https://encoding.spec.whatwg.org/#utf-8-decoder).
func Decoded(from []byte) string {
	if utf8.Valid(from) {
		return string(from)
	}
	var text []byte
	for at := 0; at < len(from); {
		start := at
		first := from[at]
		at++
		more, least, greatest := following(first)
		whole := first < 0x80 || more > 0
		for ; whole && more > 0; more-- {
			whole = at < len(from) && from[at] >= least && from[at] <= greatest
			if whole {
				at++
			}
			least, greatest = 0x80, 0xbf
		}
		if whole {
			text = append(text, from[start:at]...)
		} else {
			text = append(text, "\uFFFD"...)
		}
	}
	return string(text)
}

// The bytes that follow a first byte of UTF-8, and the range of the second one; 0 for a byte that is never first.
func following(first byte) (more int, least, greatest byte) {
	least, greatest = 0x80, 0xbf
	switch first {
	case 0xe0:
		least = 0xa0
	case 0xf0:
		least = 0x90
	case 0xed:
		greatest = 0x9f
	case 0xf4:
		greatest = 0x8f
	}
	switch {
	case first >= 0xc2 && first <= 0xdf:
		more = 1
	case first >= 0xe0 && first <= 0xef:
		more = 2
	case first >= 0xf0 && first <= 0xf4:
		more = 3
	}
	return
}
