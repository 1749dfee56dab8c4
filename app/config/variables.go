package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

// variables are the environment, behind it the dotenv file, and behind that the
// settings of the YAML file under the names of their variables.
type variables struct {
	files  *files
	values map[string]string
	ofFile []string // the names that come from a file
	// from says where in a file a name stands.
	from map[string]string
	// yaml is the path of the YAML file; named says that the user wants it.
	yaml  string
	named bool
}

// yamlName is read where it is in the working directory.
const yamlName = "devops-insights.yaml"

// readVariables reads the environment and the dotenv file. file, unless empty,
// takes the place of CONFIG_FILE.
func readVariables(f *files, environ []string, file string, r *report) *variables {
	v := &variables{files: f, values: make(map[string]string), from: make(map[string]string)}
	for _, pair := range environ {
		if name, value, found := strings.Cut(pair, "="); found {
			v.values[name] = value
		}
	}
	if file == "" {
		file = v.values["CONFIG_FILE"]
	}
	if file == "" || isYAML(file) {
		v.readDotenv(".env", false, r)
	} else {
		v.readDotenv(file, true, r)
	}
	if file == "" && isYAML(v.get("CONFIG_FILE")) { // in .env
		file = v.get("CONFIG_FILE")
	}
	v.yaml, v.named = yamlName, false
	if isYAML(file) {
		v.yaml, v.named = file, true
	}
	return v
}

// isYAML reports whether a settings file is YAML, by its name.
func isYAML(path string) bool {
	path = strings.ToLower(path)
	return strings.HasSuffix(path, ".yaml") || strings.HasSuffix(path, ".yml")
}

// readDotenv adds what the environment does not have. named says that the file
// has to be there.
func (v *variables) readDotenv(path string, named bool, r *report) {
	text, err := v.readText(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !named:
		return
	case err != nil:
		r.bad("the settings file %s cannot be read: %s", path, reason(err))
		return
	}
	v.files.settings = append(v.files.settings, path)
	fromFile, lines, skipped := parseDotenv(text)
	for name, value := range fromFile {
		if _, set := v.values[name]; !set {
			v.values[name] = value
			v.ofFile = append(v.ofFile, name)
			v.from[name] = fmt.Sprintf("%s:%d", path, lines[name])
		}
	}
	slices.Sort(v.ofFile)
	if len(skipped) > 0 {
		r.warn("the settings file %s has lines without NAME=value, which are left out: %s", path, strings.Trim(fmt.Sprint(skipped), "[]"))
	}
}

// get returns a variable; empty is as good as not set.
func (v *variables) get(name string) string { return v.values[name] }

// origin says where a variable that is set comes from.
func (v *variables) origin(name string) string {
	if from, ok := v.from[name]; ok {
		return from
	}
	return "env " + name
}

// withPrefix returns the variables whose names begin with the prefix, without
// the _FILE that may end them, in order.
func (v *variables) withPrefix(prefix string) []string {
	names := make(map[string]bool)
	for name, value := range v.values {
		if name = strings.TrimSuffix(name, "_FILE"); value != "" && strings.HasPrefix(name, prefix) {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// secret returns the value of a variable or of the file that NAME_FILE names,
// and that file.
func (v *variables) secret(name string, r *report) (value, file string) {
	value, file = v.get(name), v.get(name+"_FILE")
	switch {
	case file == "":
		return value, ""
	case value != "":
		r.bad("%s and %s_FILE are both set: one of them is enough", name, name)
		return "", ""
	}
	text, err := v.readSecret(file)
	switch {
	case err != nil:
		r.bad("%s_FILE=%s cannot be read: %s", name, file, reason(err))
		return "", ""
	case text == "":
		r.bad("%s_FILE=%s is empty: the value of %s is expected in it", name, file, name)
	}
	return text, file
}

// readSecret reads a file without the ends of its lines at its end.
func (v *variables) readSecret(path string) (string, error) {
	text, err := v.readText(path)
	return strings.TrimRight(strings.TrimPrefix(text, "\ufeff"), "\r\n"), err
}

// readText reads a text of a bounded size; it may come out of a pipe.
func (v *variables) readText(path string) (string, error) {
	text, err := v.files.read(path)
	if err == nil && !isText([]byte(text)) {
		return "", errors.New("it is not UTF-8 text: save it in this encoding")
	}
	return text, err
}
