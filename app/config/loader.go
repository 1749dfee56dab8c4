package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Loader reads the settings as often as it is asked to, from the same flags and
// the same environment, and knows whether the files that they come from have
// changed. It is for one goroutine at a time.
type Loader struct {
	args, environ []string
	file          string
	files         *files
	had           []string // the settings files of the last load without an error
	seen          string   // what Changed last saw that was not loaded
}

// NewLoader returns a loader for the arguments and the environment of the
// program, os.Environ().
func NewLoader(args, environ []string) *Loader {
	return &Loader{args: args, environ: environ, files: newFiles()}
}

// UseFile lets a file take the place of CONFIG_FILE. Call it before Load.
func (l *Loader) UseFile(path string) { l.file = path }

// Load reads the settings: flag before environment before the dotenv file
// (CONFIG_FILE, else .env if there is one) before the YAML file (CONFIG_FILE, else
// devops-insights.yaml if there is one) before default. The warnings are for the
// log. An error is an *Error, or pflag.ErrHelp where the flags ask for help.
func (l *Loader) Load() (c Config, warnings []string, err error) {
	fresh := newFiles()
	maps.Copy(fresh.pipes, l.files.pipes)
	c, rest, warnings, err := load(fresh, nil, l.file, l.args, l.environ)
	l.files, l.seen = fresh, ""
	if len(rest) > 0 {
		var problems []string
		if setting := (*Error)(nil); errors.As(err, &setting) {
			problems = setting.Problems
		}
		unknown := fmt.Sprintf("%s is not a command: %s are", shown(rest[0]), strings.Join(commandNames(), ", "))
		return c, warnings, &Error{Problems: append([]string{unknown}, problems...)}
	}
	if err == nil {
		err = l.gone()
	}
	if err == nil {
		l.had = fresh.settings
	}
	return c, warnings, err
}

// gone refuses to go on without a settings file that was there: nobody changes
// the settings of a running server by taking them all away, but a volume or a
// checkout may do it for a while.
func (l *Loader) gone() error {
	var problems []string
	for _, path := range l.had {
		if !slices.Contains(l.files.settings, path) {
			problems = append(problems, fmt.Sprintf("the settings file %s is gone: to run without it, restart the server", path))
		}
	}
	if problems == nil {
		return nil
	}
	return &Error{Problems: problems}
}

// Changed looks at the files of the last Load, and reports whether they have
// changed since and are as they were at the call before: somebody may still be
// writing what has changed just now. It reads the files, wherever they are.
func (l *Loader) Changed() bool {
	now := look(l.files.paths())
	settled := now == l.seen
	l.seen = now
	return settled && now != l.files.digest()
}

// LoadChanged loads after Changed. ok is false, and nothing is to be done, where
// the files have changed once more meanwhile.
func (l *Loader) LoadChanged() (c Config, warnings []string, ok bool, err error) {
	paths, seen, before := l.files.paths(), l.seen, l.files
	c, warnings, err = l.Load()
	if look(paths) != seen {
		l.files = before
		return c, nil, false, nil
	}
	return c, warnings, true, err
}

// look returns the digest of files as they are now.
func look(paths []string) string {
	now := newFiles()
	for _, path := range paths {
		now.look(path)
	}
	return now.digest()
}
