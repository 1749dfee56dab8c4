package rule

import (
	"errors"
	"math"
	"slices"
)

// data is the value of the region that is meant; args: whether nothing is an
// answer, too.
func data(r *run, args []any) (any, error) {
	if r.facts.Region == nil {
		return nil, failf("there is no region")
	}
	return r.orNothing(r.facts.Region, args[0].(bool))
}

func (r *run) orNothing(region *Region, lenient bool) (any, error) {
	v, err := r.data(region)
	if errors.Is(err, errNoValue) {
		if lenient {
			return nil, nil
		}
		return nil, failf("no value of %s has come yet", region.Region)
	}
	return v, err
}

// member is a field of an object or an element of a list; args: of what, which
// one, whether nothing is an answer, and how the expression names the object.
func member(r *run, args []any) (any, error) {
	lenient, path := args[2].(bool), args[3].(string)
	switch of := args[0].(type) {
	case map[string]any:
		name, ok := args[1].(string)
		if !ok {
			return nil, failf("the fields of %s have texts as names, not %s", path, kind(args[1]))
		}
		v, found := of[name]
		if !found && !lenient {
			return nil, failf("%s has no field %q: where it may be missing write ?. or ??", path, clip(name, maxPath))
		}
		return v, nil
	case element:
		if name, ok := args[1].(string); ok {
			return r.ofElement(of.Region, name, lenient)
		}
	case []any:
		return elementAt(of, args[1], lenient, path)
	}
	if lenient {
		return nil, nil
	}
	return nil, failf("%s is %s: it has no such fields", path, kind(args[0]))
}

func (r *run) ofElement(region *Region, name string, lenient bool) (any, error) {
	switch name {
	case "data":
		return r.orNothing(region, lenient)
	case "status":
		v, err := r.orNothing(region, lenient)
		if err != nil {
			return nil, err
		}
		return member(r, []any{v, name, lenient, "the value of " + region.Region})
	}
	return r.of(region, name)
}

func elementAt(of []any, which any, lenient bool, path string) (any, error) {
	n, ok := number(which)
	if !ok {
		return nil, failf("%s is a list: its elements have numbers, not %s", path, kind(which))
	}
	if n < 0 {
		n += float64(len(of))
	}
	switch {
	case n >= 0 && n < float64(len(of)):
		return of[int(n)], nil
	case lenient:
		return nil, nil
	}
	return nil, failf("%s has %d elements, and none of number %v", path, len(of), which)
}

// slice is a part of a list; args: the list, from, to (nil: the end).
func slice(r *run, args []any) (any, error) {
	list, ok := args[0].([]any)
	if !ok {
		return nil, failf("only a list has parts, not %s", kind(args[0]))
	}
	bound := func(v any, otherwise int) (int, error) {
		if v == nil {
			return otherwise, nil
		}
		n, ok := number(v)
		if !ok || math.IsNaN(n) {
			return 0, failf("the bounds of a part are numbers, not %s", kind(v))
		}
		if n < 0 {
			n += float64(len(list))
		}
		return int(max(0, min(n, float64(len(list))))), nil
	}
	from, err := bound(args[1], 0)
	if err != nil {
		return nil, err
	}
	to, err := bound(args[2], len(list))
	if err != nil {
		return nil, err
	}
	return slices.Clip(list[min(from, to):to]), nil
}

// loop is a list before a function goes through it; args: the list, the name of
// the function, and what a round costs.
func loop(r *run, args []any) (any, error) {
	list, ok := args[0].([]any)
	if !ok {
		return nil, failf("%s needs a list, not %s", args[1], kind(args[0]))
	}
	return list, r.spend(1 + len(list)*args[2].(int))
}

func truth(r *run, args []any) (any, error) {
	if b, ok := args[0].(bool); ok {
		return b, nil
	}
	return nil, failf("a condition must be true or false, not %s", kind(args[0]))
}

func numeral(r *run, args []any) (any, error) {
	if n, ok := number(args[0]); ok {
		return n, nil
	}
	return nil, failf("only numbers have a sum, not %s", kind(args[0]))
}
