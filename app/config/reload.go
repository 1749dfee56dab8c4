package config

import (
	"crypto/sha256"
	"fmt"
	"reflect"
	"strings"
)

// With returns these settings with those of fresh that may change while the
// program runs: what is polled and how, who is told of what, and the level of the
// log.
func (c Config) With(fresh Config) Config {
	maxBackoff := c.PollMaxBackoff
	c.Upstream, c.Polling, c.State = fresh.Upstream, fresh.Polling, fresh.State
	c.PollMaxBackoff = maxBackoff
	c.RollupInclude, c.RollupExclude, c.RollupMaxFields = fresh.RollupInclude, fresh.RollupExclude, fresh.RollupMaxFields
	c.LogLevel = fresh.LogLevel
	c.AlertWebhookURL, c.AlertAfter = fresh.AlertWebhookURL, fresh.AlertAfter
	c.apis, c.regions, c.alerts = fresh.apis, fresh.regions, fresh.alerts
	c.files, c.origins = fresh.files, fresh.origins
	return c
}

// Differences returns the names of the settings whose values are not those of
// other, and "apis" and "alerts" where those of the YAML files differ. Where c is what With
// returned and other is the fresh one, these are the settings that need a restart.
func (c *Config) Differences(other *Config) (names []string) {
	theirs := other.settings().settings
	for i, s := range c.settings().settings {
		if s.value.String() != theirs[i].value.String() {
			names = append(names, s.env[0])
		}
	}
	if !reflect.DeepEqual(c.APIs(), other.APIs()) && len(c.apis)+len(other.apis)+len(c.regions)+len(other.regions) > 0 {
		names = append(names, "apis")
	}
	if !c.alerts.equal(other.alerts) {
		names = append(names, "alerts")
	}
	return names
}

// Digest returns a short text that two instances have in common when their
// effective settings are the same. Secrets are not part of it: who may read it
// must not be able to try them.
func (c *Config) Digest() string {
	sum := sha256.Sum256([]byte(strings.Join(c.Lines(), "\n")))
	return fmt.Sprintf("%x", sum[:6])
}
