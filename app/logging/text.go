package logging

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/sirupsen/logrus"
)

// text writes lines for people: the time of day, the level, the message, and
// the fields behind it. What comes from outside cannot command the terminal.
type text struct{ colour bool }

// Colours of a terminal.
const (
	plain = "\x1b[0m"
	faint = "\x1b[2m"
	red   = "\x1b[31m"
	green = "\x1b[32m"
	amber = "\x1b[33m"
	blue  = "\x1b[36m"
)

// Format implements logrus.Formatter.
func (t *text) Format(e *logrus.Entry) ([]byte, error) {
	var b bytes.Buffer
	level, colour := "INFO ", green
	switch {
	case e.Level <= logrus.ErrorLevel:
		level, colour = "ERROR", red
	case e.Level == logrus.WarnLevel:
		level, colour = "WARN ", amber
	case e.Level >= logrus.DebugLevel:
		level, colour = "DEBUG", faint
	}
	t.paint(&b, faint, e.Time.Format("15:04:05"))
	b.WriteByte(' ')
	t.paint(&b, colour, level)
	b.WriteByte(' ')
	b.WriteString(printable(e.Message))
	for _, name := range slices.Sorted(maps.Keys(e.Data)) {
		if name == urlField {
			continue
		}
		b.WriteByte(' ')
		t.paint(&b, faint, printable(name)+"=")
		b.WriteString(value(e.Data[name]))
	}
	if url, ok := e.Data[urlField]; ok {
		b.WriteByte(' ')
		t.paint(&b, blue, printable(fmt.Sprint(url)))
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

// urlField stands at the end of a line, bare, so that a terminal makes it one
// to click.
const urlField = "url"

func (t *text) paint(b *bytes.Buffer, colour, s string) {
	if !t.colour {
		b.WriteString(s)
		return
	}
	b.WriteString(colour + s + plain)
}

// printable writes signs that command a terminal, or end the line, as escapes.
func printable(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
		return s
	}
	q := strconv.Quote(s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}

// value is a field's value, in quotes where it would not be one word.
func value(v any) string {
	s := fmt.Sprint(v)
	if s == "" || strings.ContainsAny(s, " \"=") {
		return strconv.Quote(s)
	}
	return printable(s)
}
