package socket

import "strings"

// tokenKind is what a piece of a date is.
type tokenKind int

const (
	tokenEnd tokenKind = iota
	tokenNumber
	tokenSymbol // one of : - + . )
	tokenWord
	tokenSpace
	tokenOther
)

type token struct {
	kind   tokenKind
	symbol byte
	number int
	length int // of a number, in digits
	word   word
}

func (t token) isSymbol(c byte) bool { return t.kind == tokenSymbol && t.symbol == c }

func (t token) isSign() bool { return t.isSymbol('+') || t.isSymbol('-') }

func (t token) sign() int {
	if t.symbol == '-' {
		return -1
	}
	return 1
}

// fixed reports whether it is a number of so many digits.
func (t token) fixed(digits int) bool { return t.kind == tokenNumber && t.length == digits }

func (t token) isZ() bool { return t.kind == tokenWord && t.word.kind == wordZone && t.word.z }

// wordKind is what a word of a date means.
type wordKind int

const (
	wordOther wordKind = iota
	wordMonth
	wordHalfDay
	wordZone
	wordT
)

type word struct {
	kind  wordKind
	value int // month, hours to add, hours from UTC
	z     bool
}

// meaning looks a word up: months by their first three letters.
func meaning(text string) word {
	text = strings.ToLower(text)
	if len(text) >= 3 {
		if at := strings.Index("jan feb mar apr may jun jul aug sep oct nov dec", text[:3]); at >= 0 && at%4 == 0 {
			return word{kind: wordMonth, value: at/4 + 1}
		}
	}
	switch text {
	case "am":
		return word{kind: wordHalfDay}
	case "pm":
		return word{kind: wordHalfDay, value: 12}
	case "z":
		return word{kind: wordZone, z: true}
	case "ut", "utc", "gmt":
		return word{kind: wordZone}
	case "edt":
		return word{kind: wordZone, value: -4}
	case "est", "cdt":
		return word{kind: wordZone, value: -5}
	case "cst", "mdt":
		return word{kind: wordZone, value: -6}
	case "mst", "pdt":
		return word{kind: wordZone, value: -7}
	case "pst":
		return word{kind: wordZone, value: -8}
	case "t":
		return word{kind: wordT}
	}
	return word{}
}

// tokens cuts a text into its pieces.
type tokens struct {
	text string
	at   int
}

func (s *tokens) peek() token {
	at := s.at
	t := s.next()
	s.at = at
	return t
}

// skip passes over a symbol that comes next, and reports whether it did.
func (s *tokens) skip(symbol byte) bool {
	if !s.peek().isSymbol(symbol) {
		return false
	}
	s.next()
	return true
}

func (s *tokens) next() token {
	if s.at >= len(s.text) {
		return token{}
	}
	switch c := s.text[s.at]; {
	case isDigit(c):
		return s.numeral()
	case strings.IndexByte(":-+.)", c) >= 0:
		s.at++
		return token{kind: tokenSymbol, symbol: c}
	case c == '(':
		s.parentheses()
		return token{kind: tokenOther}
	}
	if n := spaces(s.text[s.at:]); n > 0 {
		s.at += n
		return token{kind: tokenSpace}
	}
	if s.text[s.at] < 'A' {
		s.at++
		return token{kind: tokenOther}
	}
	begin := s.at
	for s.at < len(s.text) && s.text[s.at] >= 'A' && spaces(s.text[s.at:]) == 0 {
		s.at++
	}
	return token{kind: tokenWord, word: meaning(s.text[begin:s.at])}
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// numeral reads a number; digits past the ninth that counts are passed over.
func (s *tokens) numeral() token {
	t, significant := token{kind: tokenNumber}, 0
	for ; s.at < len(s.text) && isDigit(s.text[s.at]); s.at++ {
		t.length++
		if significant == 0 && s.text[s.at] == '0' {
			continue
		}
		if significant++; significant <= 9 {
			t.number = t.number*10 + int(s.text[s.at]-'0')
		}
	}
	return t
}

// parentheses passes over a text in parentheses, which may hold others.
func (s *tokens) parentheses() {
	for depth := 0; s.at < len(s.text); {
		c := s.text[s.at]
		s.at++
		switch c {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return
			}
		}
	}
}

// spaces returns the length of the white space at the beginning, in bytes.
func spaces(text string) int {
	const white = "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
	return len(text) - len(strings.TrimLeft(text, white))
}
