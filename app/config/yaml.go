package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/devops-insights/devops-insights/app/config/yamltree"
)

// document is the YAML file as people write it. Its JSON schema is made of the
// types and of their tags.
type document struct {
	Settings settingsPart         `json:"settings,omitempty"`
	Regions  several[regionTitle] `json:"regions,omitempty" jsonschema_description:"The regions, in the order in which people see them. Without them they are us-east, us-west, eu-west, eu-central, sa-east and ap-southeast, or those that the APIs name."`
	APIs     several[apiPart]     `json:"apis,omitempty" jsonschema_description:"The APIs that are polled; the first one is meant where a dashboard names none. Without them it is the one of EXTERNAL_API_NAME and UPSTREAM_URL."`
	Alerts   alertsPart           `json:"alerts,omitempty" jsonschema_description:"Who is told when something is wrong, and when not."`
}

func (d *document) read(y *yamlFile, n *yamltree.Node) { y.mapping(n, d) }

// yamlFile is the YAML file while it is read. No problem repeats what the file
// holds: a secret may stand anywhere in it.
type yamlFile struct {
	path     string
	v        *variables
	r        *report
	settings []*setting
	doc      document
	// texts are the settings of the file under the names of their variables, and
	// places where they stand.
	texts  map[string]string
	places map[string]yamltree.Place
	lists  map[any]yamltree.Place // where the lists stand, by their pointers
}

// part is a part of the file that reads itself.
type part interface {
	read(y *yamlFile, n *yamltree.Node)
}

// readYAML reads the YAML file, if there is one; nil: there is none. Its settings
// become variables, behind those of the environment and of the dotenv file.
func readYAML(v *variables, settings []*setting, r *report) *yamlFile {
	text, err := v.files.read(v.yaml)
	if errors.Is(err, fs.ErrNotExist) && !v.named {
		if _, err := os.Stat("devops-insights.yml"); err == nil {
			r.warn("devops-insights.yml is not read: call it %s, or set CONFIG_FILE=devops-insights.yml", yamlName)
		}
		return nil
	}
	y := &yamlFile{path: v.yaml, v: v, r: r, settings: settings, texts: make(map[string]string), places: make(map[string]yamltree.Place), lists: make(map[any]yamltree.Place)}
	if err != nil {
		r.bad("the settings file %s cannot be read: %s", y.path, reason(err))
		return y
	}
	v.files.settings = append(v.files.settings, y.path)
	root, problems := yamltree.Parse([]byte(text))
	for _, p := range problems {
		y.bad(p.Place, "%s", p.Sentence)
	}
	if root != nil && root.Kind != yamltree.Null {
		y.doc.read(y, root)
	}
	y.provide()
	return y
}

// bad adds a problem with its place.
func (y *yamlFile) bad(place yamltree.Place, format string, args ...any) {
	y.r.problems = append(y.r.problems, problem{fmt.Sprintf(format, args...), y.path, place})
}

// badInside adds a problem with the place of a line and a column of a text's value,
// both counted from 1 on; 0: the whole text is meant.
func (y *yamlFile) badInside(t *textPart, line, column int, format string, args ...any) {
	sentence := fmt.Sprintf(format, args...)
	if line < 1 {
		y.bad(t.place, "%s", sentence)
		return
	}
	place, ok := t.inside(line, max(column, 1))
	if !ok {
		sentence += fmt.Sprintf(" (at line %d, column %d of the text that begins here)", line, max(column, 1))
	}
	y.bad(place, "%s", sentence)
}

// at names a place as editors and compilers do.
func (y *yamlFile) at(place yamltree.Place) string { return y.path + ":" + place.String() }

// provide makes variables of the settings, where nothing else sets them.
func (y *yamlFile) provide() {
	for _, s := range y.settings {
		name := s.env[0]
		text, fileText := y.texts[name], y.texts[name+"_FILE"]
		isSet := slices.ContainsFunc(s.env, func(env string) bool { return y.v.get(env) != "" || s.redact != nil && y.v.get(env+"_FILE") != "" })
		switch {
		case isSet:
			delete(y.places, name)
		case fileText != "":
			y.v.values[name+"_FILE"], y.v.from[name+"_FILE"] = fileText, y.at(y.places[name])
		case text != "":
			y.v.values[name], y.v.from[name] = text, y.at(y.places[name])
			y.v.ofFile = append(y.v.ofFile, name)
		}
	}
}

// locate puts the place in the file before sentences about its settings, which
// name them by their variables.
func (y *yamlFile) locate(r *report) {
	for i, p := range r.problems {
		for _, s := range y.settings {
			place, ok := y.places[s.env[0]]
			if ok && p.path == "" && hasWord(p.text, s.env[0]) {
				p = problem{s.flag + ": " + p.text, y.path, place}
				r.problems[i] = p
			}
		}
	}
}

// hasWord reports whether the name of a variable, or with _FILE, stands in the
// sentence.
func hasWord(sentence, name string) bool {
	words := strings.FieldsFunc(sentence, func(r rune) bool {
		return r != '_' && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	})
	return slices.Contains(words, name) || slices.Contains(words, name+"_FILE")
}

// mapping reads the keys of a part, which has a field with a tag for each.
func (y *yamlFile) mapping(n *yamltree.Node, into any) {
	if n.Kind == yamltree.Null {
		return // its keys are comments
	}
	v := reflect.ValueOf(into).Elem()
	fields := make(map[string]int)
	var keys []string
	for i, f := range reflect.VisibleFields(v.Type()) {
		if key, _, _ := strings.Cut(f.Tag.Get("json"), ","); key != "" {
			fields[key] = i
			keys = append(keys, key)
		}
	}
	if n.Kind != yamltree.Mapping {
		y.bad(n.Place, "keys with values are expected here, as in %s: …; possible are %s", keys[0], strings.Join(keys, ", "))
		return
	}
	all := reflect.VisibleFields(v.Type())
	for _, e := range n.Entries {
		i, known := fields[e.Key]
		if !known {
			y.unknown(e, keys, "allowed here: "+strings.Join(keys, ", "))
			continue
		}
		v.FieldByIndex(all[i].Index).Addr().Interface().(part).read(y, e.Value)
	}
}

// unknown says that a key is none, and which one is meant. The key itself is
// shown only where it is close to one: else it may be a secret.
func (y *yamlFile) unknown(e yamltree.Entry, keys []string, allowed string) {
	simple := func(key string) string {
		return strings.NewReplacer("_", "", "-", "", ".", "").Replace(strings.ToLower(key))
	}
	near := ""
	for _, key := range keys {
		if simple(key) == simple(e.Key) {
			near = key
		}
	}
	if candidate, slips := nearest(e.Key, keys); near == "" && len(e.Key) < 50 && slips <= min(2, len(candidate)/3) {
		near = candidate
	}
	if near != "" {
		y.bad(e.Place, "%q is no key here: is %s meant?", e.Key, near)
		return
	}
	y.bad(e.Place, "this key is unknown; %s", allowed)
}

// scalar returns the text of a value, with what ${…} stands for; ok is false
// where it is none.
func (y *yamlFile) scalar(n *yamltree.Node) (text string, ok bool) {
	switch n.Kind {
	case yamltree.Scalar:
		return y.expand(n)
	case yamltree.Null:
		y.bad(n.Place, "this key has no value: give it one, or leave it out")
	case yamltree.Sequence:
		y.bad(n.Place, "one text is expected here, not a list")
	default:
		y.bad(n.Place, "a text is expected here, not keys with values: a text that begins with { or has a colon and a space in it is put into quotes")
	}
	return "", false
}

// resolve returns the path of a file that the YAML file names: beside it, unless
// it begins at the root.
func (y *yamlFile) resolve(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(y.path), path)
}
