package view

import "github.com/roomcast/roomcast/tasks"

// DeadWebhook is a webhook that could not be delivered.
type DeadWebhook struct {
	ID     string `json:"id"`
	PushID string `json:"pushId"`
	Type   string `json:"type"`
	At     string `json:"at"`
	DiedAt string `json:"diedAt"`
	Tries  int    `json:"tries"`
	Answer string `json:"answer"` // the last, in words
}

// DeadWebhooks are those of the last three days, newest first.
type DeadWebhooks struct {
	Webhooks []DeadWebhook `json:"webhooks"`
}

// OfDeadWebhooks returns what could not be delivered.
func OfDeadWebhooks(dead []tasks.DeadWebhook) DeadWebhooks {
	return DeadWebhooks{Each(dead, func(d tasks.DeadWebhook) DeadWebhook {
		return DeadWebhook{d.ID, d.PushID, d.Type, Stamp(d.At), Stamp(d.DiedAt), d.Tries, d.Answer}
	})}
}
