package config

import (
	"regexp"
	"slices"
	"strings"
)

// redacted stands for what is not shown. What the functions below return is
// accepted as a value of the same setting, so that printed settings can be read
// back.
const redacted = "redacted"

func redactAll(string) string { return redacted }

// cutURL takes a URL apart without the rules of net/url: several hosts,
// placeholders and broken escapes are all shown as what they are.
func cutURL(text string) (scheme, user, hosts, path, query string) {
	scheme, rest, found := strings.Cut(text, "://")
	if !found {
		scheme, rest = "", text
	} else {
		scheme += "://"
	}
	// The last @ ends the user: a password may hold any of the signs behind it.
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		user, rest = rest[:at], rest[at+1:]
	}
	rest, _, _ = strings.Cut(rest, "#")
	rest, query, _ = strings.Cut(rest, "?")
	hosts, path, found = strings.Cut(rest, "/")
	if found {
		path = "/" + path
	}
	return scheme, user, hosts, path, query
}

// redactUser is what stands before the hosts.
func redactUser(user string) string {
	if user == "" {
		return ""
	}
	return redacted + ":" + redacted + "@"
}

var placeholder = regexp.MustCompile(`\{(source|api)\}`)

// redactURL keeps the host of an upstream and the places of its placeholders.
func redactURL(text string) string {
	if !strings.Contains(text, "://") {
		return redacted
	}
	scheme, user, hosts, path, query := cutURL(text)
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if s != "" {
			segments[i] = strings.Join(placeholder.FindAllString(s, -1), "")
		}
		if s != "" && segments[i] == "" {
			segments[i] = redacted
		}
	}
	if query != "" {
		query = "?" + redacted
	}
	return scheme + redactUser(user) + hosts + strings.Join(segments, "/") + query
}

// redactRedis keeps the hosts and the number of the database. Each host may
// have a user before it.
func redactRedis(text string) string {
	scheme, rest, found := strings.Cut(text, "://")
	if !found {
		scheme, rest = "", text
	} else {
		scheme += "://"
	}
	rest, _, _ = strings.Cut(rest, "?")
	hosts, path, found := strings.Cut(rest, "/")
	if found {
		path = "/" + path
	}
	user := ""
	if at := strings.LastIndexByte(hosts, '@'); at >= 0 {
		user = redactUser(hosts[:at])
		var kept []string
		if strings.Count(hosts, "@") > 1 {
			for one := range strings.SplitSeq(hosts[:at], ",") {
				if _, host, behind := strings.Cut(one, "@"); behind {
					kept = append(kept, host)
				}
			}
		}
		hosts = strings.Join(append(kept, hosts[at+1:]), ",")
	}
	return scheme + user + hosts + path
}

// harmless are the options of a MongoDB URL that say nothing secret.
var harmless = []string{
	"appname", "authmechanism", "authsource", "compressors", "connecttimeoutms", "directconnection", "heartbeatfrequencyms",
	"journal", "loadbalanced", "maxidletimems", "maxpoolsize", "minpoolsize", "readconcernlevel", "readpreference",
	"replicaset", "retryreads", "retrywrites", "serverselectiontimeoutms", "sockettimeoutms", "srvmaxhosts",
	"srvservicename", "ssl", "timeoutms", "tls", "tlscafile", "w", "waitqueuetimeoutms", "wtimeoutms",
}

// redactMongo keeps the hosts, the database and the options that are harmless.
func redactMongo(text string) string {
	scheme, user, hosts, path, query := cutURL(text)
	var kept []string
	for option := range strings.SplitSeq(query, "&") {
		if name, _, _ := strings.Cut(option, "="); slices.Contains(harmless, strings.ToLower(name)) {
			kept = append(kept, option)
		}
	}
	if len(kept) > 0 {
		if path == "" {
			path = "/"
		}
		path += "?" + strings.Join(kept, "&")
	}
	return scheme + redactUser(user) + hosts + path
}

// redactHeaders keeps the names.
func redactHeaders(text string) string {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		name, _, _ := strings.Cut(line, ":")
		lines = append(lines, name+": "+redacted)
	}
	return strings.Join(lines, "\n")
}
