// Package notify delivers the messages of alerts to their receivers: webhooks and
// Alertmanagers. It sees only messages that are committed, tries each of them for
// up to a day, keeps their order, and says of each one whether it has arrived. One
// receiver never waits for another. The address of a receiver, its headers and
// what is sent stand in no log and in no error.
package notify
