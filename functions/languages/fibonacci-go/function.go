// The n-th Fibonacci number by naive recursion: `functions/fibonacci` in Go.
package main

import (
	"strconv"

	isolab "isolab/languages/go"
)

const (
	normal   = 20
	greatest = 47
)

func init() { isolab.Handle = handle }

func main() {}

func fibonacci(n uint32) uint32 {
	if n < 2 {
		return n
	}
	return fibonacci(n-1) + fibonacci(n-2)
}

func handle(request isolab.Request) (uint32, []byte) {
	n := uint32(normal)
	if value, given := request.QueryValue("n"); given {
		n = parse(value)
	}
	if n > greatest {
		return 400, []byte(`{"error":"n must be a whole number from 0 to 47"}`)
	}
	body := append([]byte(`{"n":`), strconv.Itoa(int(n))...)
	body = append(body, `,"fibonacci":`...)
	return 200, append(append(body, strconv.Itoa(int(fibonacci(n)))...), '}')
}

// The number of one or two digits, greatest + 1 for any other text.
func parse(text string) uint32 {
	n := uint32(0)
	for _, digit := range []byte(text) {
		if digit < '0' || digit > '9' {
			return greatest + 1
		}
		n = n*10 + uint32(digit-'0')
	}
	if len(text) != 1 && len(text) != 2 {
		return greatest + 1
	}
	return n
}
