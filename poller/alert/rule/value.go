package rule

import "encoding/json"

// Value is a region's value, decoded once however many rules ask for it.
type Value struct{ raw json.RawMessage }

// NewValue returns the Value of data. It is decoded when a rule first needs it.
func NewValue(data json.RawMessage) *Value { return &Value{raw: data} }
