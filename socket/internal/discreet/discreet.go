// Package discreet says what of a handshake nobody else needs to see: what lets
// somebody act in the name of a client.
package discreet

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/devops-insights/devops-insights/store/jsjson"
)

// IsSecret reports whether a header, a query parameter or a member of auth is
// one whose value lets somebody act in the name of a client. It stays in the
// process that took the handshake: everybody who may use this Redis would read
// it. pid is the private id of a session that may be recovered.
func IsSecret(name string) bool {
	name = strings.NewReplacer("-", "", "_", "", ".", "").Replace(strings.ToLower(name))
	switch name {
	case "pid", "pwd", "sig", "key", "jwt", "code":
		return true
	}
	for _, word := range []string{
		"cookie", "auth", "token", "secret", "passw", "passphrase", "credential", "session",
		"apikey", "accesskey", "privatekey", "signature", "bearer", "clientcert",
	} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

// URL returns the URL of a handshake without secret parameters.
func URL(text string) string {
	path, query, found := strings.Cut(text, "?")
	if !found {
		return text
	}
	var kept []string
	for pair := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if plain, err := url.QueryUnescape(name); err != nil || IsSecret(plain) {
			continue
		}
		kept = append(kept, pair)
	}
	return path + "?" + strings.Join(kept, "&")
}

// Auth returns what a client sent as auth without its secret members, at
// any depth. What is no object is as a whole taken for a secret.
func Auth(auth json.RawMessage) json.RawMessage {
	var members map[string]any
	d := json.NewDecoder(bytes.NewReader(auth))
	d.UseNumber()
	if d.Decode(&members) != nil || members == nil {
		return json.RawMessage("{}")
	}
	if !dropSecrets(members) {
		return auth
	}
	text, err := jsjson.Marshal(members)
	if err != nil {
		return json.RawMessage("{}")
	}
	return text
}

// dropSecrets removes secret members and reports whether there were some.
func dropSecrets(v any) bool {
	dropped := false
	switch t := v.(type) {
	case map[string]any:
		for name, member := range t {
			if IsSecret(name) {
				delete(t, name)
				dropped = true
				continue
			}
			dropped = dropSecrets(member) || dropped
		}
	case []any:
		for _, element := range t {
			dropped = dropSecrets(element) || dropped
		}
	}
	return dropped
}
