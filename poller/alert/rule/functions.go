package rule

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/expr-lang/expr/builtin"

	"github.com/devops-insights/devops-insights/store/past"
)

// takes is what a function takes.
type takes int

const (
	anything takes = iota
	aNumber
	aText
	aList       // or an object
	aSize       // a list, an object or a text
	manyNumbers // any number of numbers and lists of them, at least one
)

func (t takes) String() string {
	return [...]string{"anything", "a number", "a text", "a list or an object", "a list, an object or a text", "numbers or lists"}[t]
}

// fits reports whether a type may be what is taken; what is known only later
// always may.
func (t takes) fits(of reflect.Type) bool {
	if of == nil {
		return t == anything
	}
	k := of.Kind()
	list := k == reflect.Slice || k == reflect.Map
	switch {
	case k == reflect.Interface || t == anything:
		return true
	case t == aNumber:
		return k == reflect.Int || k == reflect.Float64
	case t == aText:
		return k == reflect.String
	case t == aList:
		return list
	case t == aSize:
		return list || k == reflect.String
	}
	return k == reflect.Slice || k == reflect.Int || k == reflect.Float64
}

// function is a function that expressions may call.
type function struct {
	takes []takes
	gives reflect.Type
	do    operation
}

// functions are all that there are, beside those that go through lists.
func functions() map[string]function {
	var (
		float = reflect.TypeFor[float64]()
		text  = reflect.TypeFor[string]()
		whole = reflect.TypeFor[int]()
		list  = reflect.TypeFor[[]any]()
		value = reflect.TypeFor[any]()
	)
	return map[string]function{
		"uptime":    {[]takes{aText}, float, nil}, // becomes "uptime of"
		"burn_rate": {[]takes{aText, aNumber}, float, nil},
		"now":       {nil, float, now},
		"time":      {[]takes{aText}, float, instant},
		"duration":  {[]takes{aText}, float, duration},
		"len":       {[]takes{aSize}, whole, size},
		"keys":      {[]takes{aList}, list, keys},
		"values":    {[]takes{aList}, list, values},
		"first":     {[]takes{aList}, value, end(0)},
		"last":      {[]takes{aList}, value, end(-1)},
		"abs":       {[]takes{aNumber}, float, rounding("abs", math.Abs)},
		"floor":     {[]takes{aNumber}, float, rounding("floor", math.Floor)},
		"ceil":      {[]takes{aNumber}, float, rounding("ceil", math.Ceil)},
		"round":     {[]takes{aNumber}, float, rounding("round", math.Round)},
		"min":       {[]takes{manyNumbers}, float, aggregate("min", slices.Min[[]float64])},
		"max":       {[]takes{manyNumbers}, float, aggregate("max", slices.Max[[]float64])},
		"mean":      {[]takes{manyNumbers}, float, aggregate("mean", mean)},
		"median":    {[]takes{manyNumbers}, float, aggregate("median", median)},
		"float":     {[]takes{anything}, float, float64Of},
		"string":    {[]takes{anything}, text, stringOf},
		"lower":     {[]takes{aText}, text, textual("lower", strings.ToLower)},
		"upper":     {[]takes{aText}, text, textual("upper", strings.ToUpper)},
		"trim":      {[]takes{aText}, text, textual("trim", strings.TrimSpace)},
	}
}

// checked returns the function as the check of types wants it.
func (f function) checked(name string) *builtin.Function {
	return &builtin.Function{
		Name: name,
		Func: func(...any) (any, error) { return nil, nil },
		Validate: func(args []reflect.Type) (reflect.Type, error) {
			any := len(f.takes) == 1 && f.takes[0] == manyNumbers
			if (!any && len(args) != len(f.takes)) || (any && len(args) == 0) {
				return f.gives, fmt.Errorf("%s has %d arguments here, and takes %s", name, len(args), f.takesAll())
			}
			for i, arg := range args {
				if t := f.takes[min(i, len(f.takes)-1)]; !t.fits(arg) {
					return f.gives, fmt.Errorf("%s takes %s, not %s", name, t, typeName(fmt.Sprint(arg)))
				}
			}
			return f.gives, nil
		},
	}
}

// takesAll says what the function takes.
func (f function) takesAll() string {
	all := make([]string, 0, len(f.takes))
	for _, t := range f.takes {
		all = append(all, t.String())
	}
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(all, " and ")
}

func now(r *run, args []any) (any, error) {
	return float64(r.facts.Now.UnixMilli()) / 1000, nil
}

// instant reads a time as seconds since 1970.
func instant(r *run, args []any) (any, error) {
	text, ok := args[0].(string)
	if !ok {
		return nil, failf("time needs a text, not %s", kind(args[0]))
	}
	if err := r.spend(20); err != nil {
		return nil, err
	}
	at, ok := past.ParseTime(text)
	if !ok {
		return nil, failf("%q is no time: for example 2026-12-01T15:04:05Z is expected, or seconds since 1970", clip(text, maxPath))
	}
	return float64(at.UnixMilli()) / 1000, nil
}

func duration(r *run, args []any) (any, error) {
	text, ok := args[0].(string)
	if !ok {
		return nil, failf("duration needs a text, not %s", kind(args[0]))
	}
	if err := r.spend(20); err != nil {
		return nil, err
	}
	return parseDuration(text)
}

// uptimeOf and burnRateOf have the window in nanoseconds, and then the target.
func uptimeOf(r *run, args []any) (any, error) {
	region := ""
	if r.facts.Region != nil {
		region = r.facts.Region.Region
	}
	return r.uptime(region, time.Duration(args[0].(int)))
}

func burnRateOf(r *run, args []any) (any, error) {
	target, ok := number(args[1])
	if !ok || target < 0 || target >= 100 || math.IsNaN(target) {
		return nil, failf("the target of burn_rate is a number of percent from 0 to below 100, for example 99.9")
	}
	percent, err := uptimeOf(r, args)
	if err != nil {
		return nil, err
	}
	return (100 - percent.(float64)) / (100 - target), nil
}

func size(r *run, args []any) (any, error) {
	switch v := args[0].(type) {
	case string:
		return len([]rune(v[:min(len(v), maxText)])), r.spend(1 + len(v)/4)
	case []any:
		return len(v), nil
	case map[string]any:
		return len(v), nil
	}
	return nil, failf("len needs a list, an object or a text, not %s", kind(args[0]))
}

// keys are in order, so that an expression finds the same each time.
func keys(r *run, args []any) (any, error) {
	object, ok := args[0].(map[string]any)
	if !ok {
		return nil, failf("keys needs an object, not %s", kind(args[0]))
	}
	if err := r.spend(1 + 20*len(object)); err != nil {
		return nil, err
	}
	list := make([]any, 0, len(object))
	for _, name := range slices.Sorted(maps.Keys(object)) {
		list = append(list, name)
	}
	return list, nil
}

func values(r *run, args []any) (any, error) {
	if _, ok := args[0].([]any); ok {
		return args[0], nil
	}
	names, err := keys(r, args)
	if err != nil {
		return nil, failf("values needs an object, not %s", kind(args[0]))
	}
	list := names.([]any)
	for i, name := range list {
		list[i] = args[0].(map[string]any)[name.(string)]
	}
	return list, nil
}

// end is the first or the last element, or nothing.
func end(n int) operation {
	return func(r *run, args []any) (any, error) {
		if list, ok := args[0].([]any); ok {
			return elementAt(list, n, true, "")
		}
		return nil, failf("first and last need a list, not %s", kind(args[0]))
	}
}

func rounding(name string, do func(float64) float64) operation {
	return func(r *run, args []any) (any, error) {
		n, ok := number(args[0])
		if !ok {
			return nil, failf("%s needs a number, not %s", name, kind(args[0]))
		}
		return do(n), nil
	}
}

func textual(name string, do func(string) string) operation {
	return func(r *run, args []any) (any, error) {
		text, ok := args[0].(string)
		if !ok {
			return nil, failf("%s needs a text, not %s", name, kind(args[0]))
		}
		if len(text) > maxText {
			return nil, failf("the text is longer than %d bytes", maxText)
		}
		if err := r.spend(1 + len(text)/4); err != nil {
			return nil, err
		}
		return do(text), nil
	}
}

func aggregate(name string, do func([]float64) float64) operation {
	return func(r *run, args []any) (any, error) {
		var all []float64
		for _, arg := range args {
			list, ok := arg.([]any)
			if !ok {
				list = []any{arg}
			}
			if err := r.spend(1 + 5*len(list)); err != nil {
				return nil, err
			}
			for _, v := range list {
				n, ok := number(v)
				if !ok {
					return nil, failf("%s needs numbers, not %s", name, kind(v))
				}
				all = append(all, n)
			}
		}
		if len(all) == 0 {
			return nil, failf("%s needs at least one number: the list is empty", name)
		}
		return do(all), nil
	}
}

func mean(all []float64) float64 {
	total := 0.0
	for _, n := range all {
		total += n
	}
	return total / float64(len(all))
}

func median(all []float64) float64 {
	slices.Sort(all)
	half := len(all) / 2
	if len(all)%2 == 1 {
		return all[half]
	}
	return (all[half-1] + all[half]) / 2
}

// float64Of reads a number, also one that is written as a text.
func float64Of(r *run, args []any) (any, error) {
	if n, ok := number(args[0]); ok {
		return n, nil
	}
	if text, ok := args[0].(string); ok && len(text) <= 100 {
		if n, err := strconv.ParseFloat(strings.TrimSpace(text), 64); err == nil {
			return n, nil
		}
		return nil, failf("%q is no number", text)
	}
	return nil, failf("float needs a number or a short text, not %s", kind(args[0]))
}

// stringOf writes a number or a truth as a text.
func stringOf(r *run, args []any) (any, error) {
	if text, ok := args[0].(string); ok {
		return text, nil
	}
	if b, ok := args[0].(bool); ok {
		return strconv.FormatBool(b), nil
	}
	if n, ok := number(args[0]); ok {
		return plain(n), r.spend(10)
	}
	return nil, failf("string needs a number, a text, true or false, not %s", kind(args[0]))
}

// plain writes a number without an exponent where it has less than 22 digits.
func plain(n float64) string {
	if math.Abs(n) < 1e21 {
		return strconv.FormatFloat(n, 'f', -1, 64)
	}
	return strconv.FormatFloat(n, 'g', -1, 64)
}
