package tasks

// FeedEvent is an entry of the feed, the events of all pushes of the last ten
// minutes.
type FeedEvent struct {
	ID   string // of the entry: milliseconds, a minus and a number; they rise
	Push string
	Event
}

// FeedStart is before every entry of the feed.
const FeedStart = "0-0"

// FeedPart is a part of the feed as one look at Redis finds it.
type FeedPart struct {
	Run    string // which run of Redis answers; empty when it does not say
	Events []FeedEvent
	// Whole says that the entry read from is still there, so that nothing is
	// missing between it and Events.
	Whole bool
}
