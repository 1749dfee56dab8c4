package config

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/devops-insights/devops-insights/app/config/yamltree"
)

// report collects the sentences about what cannot be used, and about what is
// odd but works.
type report struct {
	problems []problem
	warnings []string
}

// problem is a sentence about what cannot be used, and where it stands, if it
// stands in a YAML file.
type problem struct {
	text, path string
	place      yamltree.Place
}

func (p problem) String() string {
	if p.path == "" {
		return p.text
	}
	return p.path + ":" + p.place.String() + ": " + p.text
}

func (r *report) bad(format string, args ...any) {
	r.problems = append(r.problems, problem{text: fmt.Sprintf(format, args...)})
}

func (r *report) warn(format string, args ...any) {
	r.warnings = append(r.warnings, fmt.Sprintf(format, args...))
}

// err adds the sentence of an error, if there is one.
func (r *report) err(err error) {
	if err != nil {
		r.bad("%s", err)
	}
}

// place says where those from the given number on stand.
func (r *report) place(from int, path string, place yamltree.Place) {
	for i := range r.problems[from:] {
		r.problems[from+i].path, r.problems[from+i].place = path, place
	}
}

// sentences returns the problems, those of a file in its order.
func (r *report) sentences() []string {
	slices.SortStableFunc(r.problems, func(a, b problem) int {
		return cmp.Or(cmp.Compare(a.path, b.path), cmp.Compare(a.place.Line, b.place.Line), cmp.Compare(a.place.Column, b.place.Column))
	})
	all := make([]string, len(r.problems))
	for i, p := range r.problems {
		all[i] = p.String()
	}
	return slices.Compact(all)
}
