package alert

import (
	"time"
)

// State is how an alert stands.
type State string

// The states. An alert that is none of them does not exist.
const (
	// Pending is an alert whose condition holds, but not for long enough yet.
	Pending State = "pending"
	// Firing is one that people are told of.
	Firing State = "firing"
	// Resolved is one that has fired and is over. It stays in the list for a while.
	Resolved State = "resolved"
	// Inactive is one that has left the list: those who follow changes are told so,
	// and nothing keeps it.
	Inactive State = "inactive"
)

// Severity says how urgent an alert is.
type Severity string

// The severities that there are.
const (
	Critical Severity = "critical"
	Warning  Severity = "warning"
	Info     Severity = "info"
)

// Alert is a rule that holds, or has held, for a region.
type Alert struct {
	// ID is made of rule, API and region: it is the same each time the alert fires.
	// 16 hexadecimal digits.
	ID string `json:"id"`
	// Incident names this time: the ID and when it became pending.
	Incident string `json:"incident"`
	Rule     string `json:"rule"`
	API      string `json:"api"`
	// Region is empty for a rule over all regions.
	Region   string   `json:"region,omitempty"`
	State    State    `json:"state"`
	Severity Severity `json:"severity"`
	// Labels tell it apart for receivers: alertname, api, region, severity, and
	// those of the rule.
	Labels map[string]string `json:"labels"`
	// Summary is one sentence for the person who is woken; Description says more.
	Summary     string `json:"summary"`
	Description string `json:"description,omitempty"`
	RunbookURL  string `json:"runbookUrl,omitempty"`
	// PendingAt is when the condition began to hold; StartedAt when the alert fired,
	// EndedAt when it was over; nil: not yet. Whole milliseconds in UTC.
	PendingAt time.Time  `json:"pendingAt"`
	StartedAt *time.Time `json:"startedAt,omitempty"`
	EndedAt   *time.Time `json:"endedAt,omitempty"`
	// Ack says who has taken it on; nil: nobody.
	Ack *Ack `json:"acknowledged,omitempty"`
	// Suppressed says why receivers are not told; nil: they are.
	Suppressed *Suppression `json:"suppressed,omitempty"`
}

// Ack is somebody's word that they have taken an alert on.
type Ack struct {
	By      string    `json:"by"`
	Comment string    `json:"comment,omitempty"`
	At      time.Time `json:"at"`
}

// Suppression is why an alert that fires is not told to the receivers.
type Suppression struct {
	// By is "silence", "maintenance" or "network".
	By string `json:"by"`
	// ID is that of the silence, or the name of the maintenance window.
	ID string `json:"id,omitempty"`
	// Until is when it ends; nil: unknown.
	Until *time.Time `json:"until,omitempty"`
}

// MessageKind says what a message tells.
type MessageKind string

// The kinds of messages.
const (
	// MessageFiring tells that an alert fires.
	MessageFiring MessageKind = "firing"
	// MessageReminder tells that it still does.
	MessageReminder MessageKind = "reminder"
	// MessageResolved tells that it is over.
	MessageResolved MessageKind = "resolved"
)

// Message is what one receiver is to be told. It stays in the ledger until the
// receiver has taken it.
type Message struct {
	// Key is the same in every try, on every instance: receivers know by it what
	// they have had. It is made of incident, receiver, and the number of the
	// message within them.
	Key      string      `json:"key"`
	Receiver string      `json:"receiver"`
	Kind     MessageKind `json:"kind"`
	// CreatedAt is when the state changed.
	CreatedAt time.Time `json:"createdAt"`
	// Alert is the alert as it was then.
	Alert Alert `json:"alert"`
}

// Incident is one time that an alert fired, with what happened meanwhile.
type Incident struct {
	Alert
	Events []Event `json:"events"`
}

// EventKind says what happened to an incident.
type EventKind string

// The kinds of events.
const (
	EventPending      EventKind = "pending"
	EventFiring       EventKind = "firing"
	EventReminder     EventKind = "reminder"
	EventResolved     EventKind = "resolved"
	EventAcknowledged EventKind = "acknowledged"
	EventSuppressed   EventKind = "suppressed"
	EventUnsuppressed EventKind = "unsuppressed"
	// EventDelivered and EventGivenUp are about one message.
	EventDelivered EventKind = "delivered"
	EventGivenUp   EventKind = "given_up"
)

// Event is something that happened to an incident.
type Event struct {
	At   time.Time `json:"at"`
	Kind EventKind `json:"kind"`
	// By is the person who acknowledged, what suppressed it, or the receiver.
	By string `json:"by,omitempty"`
	// Text is a comment, or why a message was given up.
	Text string `json:"text,omitempty"`
}

// Silence keeps the receivers from being told of some alerts for a while.
type Silence struct {
	ID  string `json:"id"`
	API string `json:"api"`
	// Matchers must all match the alert's labels.
	Matchers []Matcher `json:"matchers"`
	StartsAt time.Time `json:"startsAt"`
	EndsAt   time.Time `json:"endsAt"`
	// CreatedBy and Comment say who wanted it and why.
	CreatedBy string    `json:"createdBy"`
	Comment   string    `json:"comment"`
	CreatedAt time.Time `json:"createdAt"`
	// EndedBy is who ended it before its time.
	EndedBy string `json:"endedBy,omitempty"`
}

// Matcher compares one label, as in Alertmanager: = and != with a text, =~ and !~
// with a regular expression that must match all of it. A label that is missing is
// the empty text.
type Matcher struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	IsRegex bool   `json:"isRegex"`
	IsEqual bool   `json:"isEqual"`
}

// Window is a time of planned maintenance in which nobody is woken.
type Window struct {
	// ID is the name of a window in the settings, else it is made.
	ID    string `json:"id"`
	API   string `json:"api"`
	Title string `json:"title"`
	// Regions are those that are meant; empty: all.
	Regions  []string  `json:"regions,omitempty"`
	StartsAt time.Time `json:"startsAt"`
	EndsAt   time.Time `json:"endsAt"`
	// AnnounceAt is from when on dashboards are told of it.
	AnnounceAt time.Time `json:"announceAt"`
	// State is "scheduled", "active" or "ended".
	State     string `json:"state"`
	CreatedBy string `json:"createdBy,omitempty"`
	Comment   string `json:"comment,omitempty"`
	// EndedBy is who ended it before its time.
	EndedBy string `json:"endedBy,omitempty"`
	// Settings says that it stands in the settings file, and is changed there.
	Settings bool `json:"settings,omitempty"`
}
