// A Fibonacci number by naive recursion, as a WASI command. It uses no package but `syscall`, to be
// small.
package main

import "syscall"

func fibonacci(n uint32) uint64 {
	if n < 2 {
		return uint64(n)
	}
	return fibonacci(n-1) + fibonacci(n-2)
}

func main() {
	var n uint32
	text, _ := syscall.Getenv("n")
	for _, digit := range []byte(text) {
		n = n*10 + uint32(digit-'0')
	}
	number := fibonacci(n)
	digits := [20]byte{}
	at := len(digits)
	for at == len(digits) || number > 0 {
		at--
		digits[at] = byte('0' + number%10)
		number /= 10
	}
	syscall.Write(1, digits[at:])
}
