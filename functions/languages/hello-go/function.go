// Greets `myName`, from the JSON body of a POST or else from the query: `functions/hello` in Go.
//
// The JSON is read by hand: `encoding/json` doubles the module, because reflection keeps all of its types.
package main

import (
	"strings"
	"unicode/utf8"

	isolab "isolab/languages/go"
)

func init() { isolab.Handle = handle }

func main() {}

func handle(request isolab.Request) (uint32, []byte) {
	name, found := nameOf(request)
	if found == wrong {
		return 400, []byte(`{"error":"the body must be a JSON object, with a string as myName if it has one"}`)
	}
	if found == nothing {
		name = "World"
	}
	return 200, append(appendEscaped([]byte(`{"message":"Hello `), name), `"}`...)
}

// What a request says about the name.
type finding int

const (
	wrong finding = iota
	nothing
	named
)

func nameOf(request isolab.Request) (string, finding) {
	if request.Method != "POST" {
		if name, given := request.QueryValue("myName"); given {
			return name, named
		}
		return "", nothing
	}
	// Fetch drops a byte order mark.
	body := strings.TrimPrefix(isolab.Decoded(request.Body), "\uFEFF")
	return nameIn(&place{rest: body})
}

// The name in a body. If the body has it twice, the last one counts, as in JavaScript.
func nameIn(from *place) (name string, found finding) {
	found = nothing
	from.skipSpace()
	if !from.take("{") {
		return "", wrong
	}
	for isFirst := true; ; isFirst = false {
		from.skipSpace()
		if from.take("}") {
			break
		}
		if !isFirst {
			if !from.take(",") {
				return "", wrong
			}
			from.skipSpace()
		}
		key, isText, isJSON := from.takeString()
		from.skipSpace()
		if !isJSON || !from.take(":") {
			return "", wrong
		}
		if isText && key == "myName" {
			name, found, isJSON = from.takeName()
		} else {
			isJSON = from.skipValue()
		}
		if !isJSON {
			return "", wrong
		}
	}
	from.skipSpace()
	if from.rest != "" {
		return "", wrong
	}
	return name, found
}

// A place in a JSON text.
type place struct{ rest string }

func (from *place) skipSpace() { from.rest = strings.TrimLeft(from.rest, " \t\r\n") }

func (from *place) take(word string) bool {
	rest, isThere := strings.CutPrefix(from.rest, word)
	from.rest = rest
	return isThere
}

// Reads the value of `myName`.
func (from *place) takeName() (name string, found finding, isJSON bool) {
	from.skipSpace()
	if strings.HasPrefix(from.rest, `"`) {
		name, isText, isJSON := from.takeString()
		if isText {
			return name, named, isJSON
		}
		return "", wrong, isJSON
	}
	if from.take("null") {
		return "", nothing, true
	}
	return "", wrong, from.skipValue()
}

// Reads a string. Half of a surrogate pair is JSON, but no text.
func (from *place) takeString() (text string, isText, isJSON bool) {
	if !from.take(`"`) {
		return "", false, false
	}
	isText = true
	var to []byte
	for from.rest != "" {
		letter := from.rest[0]
		from.rest = from.rest[1:]
		switch {
		case letter == '"':
			return string(to), isText, true
		case letter < 0x20:
			return "", false, false
		case letter != '\\':
			to = append(to, letter)
		case from.take("u"):
			unit, isUnit := from.takeUnit()
			if !isUnit {
				return "", false, false
			}
			if unit >= 0xd800 && unit <= 0xdbff {
				rest := *from
				if rest.take(`\u`) {
					if low, isUnit := rest.takeUnit(); isUnit && low >= 0xdc00 && low <= 0xdfff {
						*from = rest
						unit = 0x10000 + (unit-0xd800)<<10 + (low - 0xdc00)
					}
				}
			}
			isText = isText && (unit < 0xd800 || unit > 0xdfff)
			to = utf8.AppendRune(to, unit)
		case from.rest == "":
			return "", false, false
		default:
			escaped := strings.IndexByte(`"\/bfnrt`, from.rest[0])
			if escaped < 0 {
				return "", false, false
			}
			to = append(to, "\"\\/\b\f\n\r\t"[escaped])
			from.rest = from.rest[1:]
		}
	}
	return "", false, false
}

func (from *place) takeUnit() (unit rune, isUnit bool) {
	if len(from.rest) < 4 {
		return 0, false
	}
	for at := range 4 {
		digit := isolab.HexDigit(from.rest[at])
		if digit < 0 {
			return 0, false
		}
		unit = unit<<4 | rune(digit)
	}
	from.rest = from.rest[4:]
	return unit, true
}

// Skips a value. Its depth is kept on the heap: the sender decides it.
func (from *place) skipValue() bool {
	var open []byte
	for {
		// A value begins here.
		from.skipSpace()
		switch {
		case from.take("{"):
			from.skipSpace()
			if !from.take("}") {
				open = append(open, '}')
				if !from.skipName() {
					return false
				}
				continue
			}
		case from.take("["):
			from.skipSpace()
			if !from.take("]") {
				open = append(open, ']')
				continue
			}
		case !from.skipScalar():
			return false
		}
		// A value has ended here: another one follows, or its container ends as well.
		for {
			if len(open) == 0 {
				return true
			}
			end := open[len(open)-1]
			from.skipSpace()
			if from.take(",") {
				if end == '}' && !from.skipName() {
					return false
				}
				break
			}
			if !from.take(string(rune(end))) {
				return false
			}
			open = open[:len(open)-1]
		}
	}
}

// Skips the name of a member and its colon.
func (from *place) skipName() bool {
	from.skipSpace()
	if _, _, isJSON := from.takeString(); !isJSON {
		return false
	}
	from.skipSpace()
	return from.take(":")
}

// Skips a string, number or word.
func (from *place) skipScalar() bool {
	if strings.HasPrefix(from.rest, `"`) {
		_, _, isJSON := from.takeString()
		return isJSON
	}
	return from.take("null") || from.take("true") || from.take("false") || from.skipNumber()
}

func (from *place) skipNumber() bool {
	from.take("-")
	if !from.take("0") && !from.skipDigits() {
		return false
	}
	if from.take(".") && !from.skipDigits() {
		return false
	}
	if from.take("e") || from.take("E") {
		if !from.take("+") {
			from.take("-")
		}
		return from.skipDigits()
	}
	return true
}

func (from *place) skipDigits() bool {
	rest := strings.TrimLeft(from.rest, "0123456789")
	hasDigits := len(rest) < len(from.rest)
	from.rest = rest
	return hasDigits
}

// Appends text in the spelling of `JSON.stringify`.
func appendEscaped(to []byte, text string) []byte {
	const hex = "0123456789abcdef"
	for at := 0; at < len(text); at++ {
		letter := text[at]
		if short := strings.IndexByte("\"\\\b\f\n\r\t", letter); short >= 0 {
			to = append(to, '\\', "\"\\bfnrt"[short])
		} else if letter < 0x20 {
			to = append(to, '\\', 'u', '0', '0', hex[letter>>4], hex[letter&15])
		} else {
			to = append(to, letter)
		}
	}
	return to
}
