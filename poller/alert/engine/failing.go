package engine

import (
	"fmt"
	"time"

	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/poller/alert/rule"
)

// receiverFailing is the rule about receivers. It is no expression: the sender
// says which of them fail.
func receiverFailing() rule.Rule {
	return rule.Rule{Name: rule.ReceiverFailing, Over: rule.OverAll, For: 5 * time.Minute, Severity: alert.Warning, BuiltIn: true}
}

// works is what a term has learnt of the receivers: those that are known to have
// taken a message, or to have ceased to fail. Of the others nobody knows whether
// they work, for example right after a take-over, and their alerts stay.
type works struct {
	well   map[string]bool
	failed map[string]bool // at the last look
}

func newWorks() *works { return &works{well: make(map[string]bool), failed: make(map[string]bool)} }

// took notes that a receiver has taken a message.
func (k *works) took(receiver string) { k.well[receiver] = true }

// findings says which receivers fail.
func (k *works) findings(j *judge, failures []ReceiverFailure) []finding {
	failed := make(map[string]ReceiverFailure, len(failures))
	for _, f := range failures {
		failed[f.Receiver] = f
		delete(k.well, f.Receiver)
	}
	for name, before := range k.failed {
		if _, still := failed[name]; before && !still {
			k.well[name] = true
		}
	}
	var all []finding
	for _, q := range j.failing {
		found := finding{target: &q.target}
		f, fails := failed[q.receiver]
		k.failed[q.receiver] = fails
		switch {
		case j.offline: // then nobody can be reached
		case fails:
			found.says = holds
			found.describe = func() texts { return describeFailure(f) }
		case k.well[q.receiver]:
			found.says = clear
		}
		all = append(all, found)
	}
	return all
}

func describeFailure(f ReceiverFailure) texts {
	why := ""
	if f.Class != "" {
		why = ": " + f.Class
	}
	return texts{
		summary:     fmt.Sprintf("The receiver %s takes no messages%s", f.Receiver, why),
		description: "Messages for it wait, and are tried again for up to a day.",
	}
}
