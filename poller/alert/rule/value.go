package rule

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"sync"
)

// maxDepth bounds how deep values may be nested.
const maxDepth = 100

// Value is a region's value, decoded once however many rules ask for it. It may be
// used by several goroutines at once.
type Value struct {
	raw  json.RawMessage
	once sync.Once
	all  any
	err  error
}

// NewValue returns the Value of data. It is decoded when a rule first needs it.
func NewValue(data json.RawMessage) *Value { return &Value{raw: data} }

// decoded returns the value: nil, bool, float64, string, []any or map[string]any.
// Nobody may change it.
func (v *Value) decoded() (any, error) {
	v.once.Do(func() {
		v.all, v.err = decode(v.raw)
		v.raw = nil
	})
	return v.all, v.err
}

// decode takes numbers of any size: one that is too large for a float64 is
// infinite.
func decode(data []byte) (any, error) {
	if err := shallow(data); err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var all any
	if err := d.Decode(&all); err != nil {
		return nil, failf("the value is not JSON")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, failf("the value is not JSON: something follows it")
	}
	return numbers(all), nil
}

// shallow returns an error if data is nested too deep.
func shallow(data []byte) error {
	depth, text := 0, false
	for i := 0; i < len(data); i++ {
		switch sign := data[i]; {
		case text && sign == '\\':
			i++
		case sign == '"':
			text = !text
		case text:
		case sign == '{' || sign == '[':
			if depth++; depth > maxDepth {
				return failf("the value is nested more than %d deep", maxDepth)
			}
		case sign == '}' || sign == ']':
			depth--
		}
	}
	return nil
}

// numbers replaces each json.Number by a float64.
func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		f, err := strconv.ParseFloat(string(v), 64)
		if err != nil && !math.IsInf(f, 0) {
			return nil
		}
		return f
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = numbers(v[name])
		}
	}
	return v
}

// failure is why an expression cannot be evaluated.
type failure struct{ sentence string }

func (f *failure) Error() string { return f.sentence }

func failf(format string, args ...any) error { return &failure{fmt.Sprintf(format, args...)} }

// kind names what a value is, for sentences.
func kind(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing (null)"
	case bool:
		return strconv.FormatBool(v)
	case string:
		return "a text"
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	case element:
		return "a region"
	}
	if _, ok := number(v); ok {
		return "a number"
	}
	return fmt.Sprintf("a value of another kind (%T)", v)
}

// number returns a number of an expression.
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case int:
		return float64(v), true
	}
	return 0, false
}
