package transfer

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/ndjson"
)

// decodeRow reads a line of NDJSON. An error is a sentence about the line.
func decodeRow(line []byte) (store.Metric, error) {
	if !utf8.Valid(line) {
		return store.Metric{}, errors.New("it is not UTF-8")
	}
	m, err := ndjson.Decode(line)
	if err != nil {
		return m, err
	}
	for _, name := range [...]struct{ key, value string }{{"api", m.API}, {"source", m.Source}} {
		if len(name.value) > maxName || strings.IndexFunc(name.value, unicode.IsControl) >= 0 {
			return m, fmt.Errorf("its %s is no name", name.key)
		}
	}
	if !ndjson.Intact(line, m) {
		m.Hash = store.Hash(m.Data)
		return m, errHash
	}
	return m, nil
}

// maxName is the length of the longest api or source, in bytes.
const maxName = 1000

// errHash is returned with a row that is otherwise in order; its Hash is that of
// its data.
var errHash = errors.New("its hash is not that of its data: either was changed or damaged (--rehash takes the data as it is)")
