package config

import (
	"slices"
	"strings"

	"github.com/devops-insights/devops-insights/app/config/yamltree"
)

// settingsPart holds settings by the names of their flags.
type settingsPart struct{}

func (settingsPart) read(y *yamlFile, n *yamltree.Node) {
	switch n.Kind {
	case yamltree.Null:
		return
	case yamltree.Mapping:
	default:
		y.bad(n.Place, "settings by the names of their flags are expected here, as in poll-interval: 30s")
		return
	}
	var flags []string
	for _, s := range y.settings {
		flags = append(flags, s.flag)
	}
	for _, e := range n.Entries {
		i := slices.Index(flags, e.Key)
		if i >= 0 {
			y.setting(y.settings[i], e)
			continue
		}
		byVariable := slices.IndexFunc(y.settings, func(s *setting) bool {
			return slices.Contains(s.env, strings.ToUpper(strings.ReplaceAll(e.Key, "-", "_")))
		})
		if byVariable >= 0 {
			y.bad(e.Place, "%q is no key here: is %s meant?", e.Key, y.settings[byVariable].flag)
			continue
		}
		y.unknown(e, flags, "the settings have the names of their flags, devops-insights help lists them")
	}
}

// setting takes one setting; whether its value can be used is found out with the
// values of the other sources.
func (y *yamlFile) setting(s *setting, e yamltree.Entry) {
	name := s.env[0]
	y.places[name] = e.Value.Place
	text, ok := "", true
	if l, isList := s.value.(*list); isList && e.Value.Kind == yamltree.Sequence {
		text, ok = y.listed(l.separator, e.Value)
	} else {
		text, ok = y.scalar(e.Value)
	}
	if !ok {
		return
	}
	path, isFile := filePath(text)
	switch {
	case isFile && s.redact != nil:
		y.texts[name+"_FILE"] = y.resolve(path)
	case isFile:
		y.bad(e.Value.Place, "only secrets are read from files of their own: give %s its value here", s.flag)
	case s.value.Type() == "duration" && unitless(text) != "":
		y.bad(e.Value.Place, "%s", unitless(text))
	default:
		y.texts[name] = text
	}
}

// listed returns the items of a list as the variable of the setting has them.
func (y *yamlFile) listed(separator string, n *yamltree.Node) (text string, ok bool) {
	var all []string
	for _, item := range n.Items {
		one, ok := y.scalar(item)
		if !ok {
			return "", false
		}
		all = append(all, one)
	}
	return strings.Join(all, separator), true
}
