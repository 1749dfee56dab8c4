package app

import (
	"cmp"

	"github.com/devops-insights/devops-insights/app/errclass"
	"github.com/devops-insights/devops-insights/app/health"
)

// unreachable is the report of a server that fails, such as "Redis". The sentence
// names no address: strangers may read it. The log has the error itself.
func unreachable(server string, err error) health.Report {
	class := errclass.Of(err)
	return down(class, server+" "+faultWords(class))
}

// faultWords says in a few words what a class means.
func faultWords(class string) string {
	return cmp.Or(map[string]string{
		errclass.Timeout:     "does not answer in time",
		errclass.Refused:     "refuses the connection",
		errclass.Reset:       "breaks connections off",
		errclass.Unreachable: "cannot be reached over the network",
		errclass.Unavailable: "is not connected",
		errclass.DNS:         "has a host name that is not resolved",
		errclass.TLS:         "has a certificate, or a TLS, that is not accepted",
		errclass.Auth:        "does not accept the user or the password",
		errclass.NotPrimary:  "has no primary that takes writes",
		errclass.ReadOnly:    "takes no writes",
		errclass.DiskFull:    "has no room on its disk",
		errclass.Permission:  "does not permit it to this user",
	}[class], "fails: the log says why")
}
