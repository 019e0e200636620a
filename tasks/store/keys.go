package store

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"

	"github.com/roomcast/roomcast/tasks"
)

// The layout. All keys carry the hash tag {roomcast}, so that scripts work on
// a cluster. Times are Unix milliseconds unless said otherwise.
//
//	{roomcast}:push:<id>            hash    the record, see record.go
//	{roomcast}:history:<id>         list    its events, each a JSON array of fields and values, at most 1000
//	{roomcast}:series:<id>          list    how it went, a text every ten seconds, at most 360, see samples.go; TTL 1 day from the last
//	{roomcast}:secret:<id>          string  sealed secrets; deleted at the push's end
//	{roomcast}:live                 zset    pushes that a worker holds → end of its lease
//	{roomcast}:queued               zset    queued pushes → end of their grace
//	{roomcast}:workers              zset    worker → end of its presence
//	{roomcast}:fleet                hash    worker → what it tells of itself, JSON tasks.WorkerReport
//	{roomcast}:user:<app>:<user>    string  id of the push that publishes as this user; no TTL
//	{roomcast}:idem:<sha256 of key> string  "<digest of body> <id>"; TTL 24 h
//	{roomcast}:index:active         zset    ids of pushes that have not ended ┐ score 0:
//	{roomcast}:index:all            zset    ids of all pushes                 │ in the order
//	{roomcast}:index:state:<state>  zset    ids by terminal state             │ of ids, which
//	{roomcast}:index:room:<room>    zset    ids by room                       │ is that of
//	{roomcast}:index:app:<app>      zset    ids by SDKAppID                   │ creation
//	{roomcast}:index:user:<user>    zset    ids by UserID                     ┘
//	{roomcast}:ended                zset    JSON [id, state, app, room, user] → when record, events and samples expire
//	{roomcast}:feed                 stream  events of all pushes, of the last ten minutes
//	{roomcast}:outboxes             zset    push → when its outbox is due
//	{roomcast}:outbox:<id>          list    webhooks of a push that are to be delivered, JSON, oldest first; at most 100; TTL 3 days
//	{roomcast}:delivery:<id>        hash    of an outbox: bells rung and heard, failures, newest progress; TTL 3 days, 1 h once it is empty
//	{roomcast}:dead-webhooks        zset    ids of webhooks that could not be delivered → since when
//	{roomcast}:dead-webhooks:<id>   string  one of them, JSON; TTL 3 days
//	{roomcast}:questions            list    ids of sources that a worker is to look at ┐
//	{roomcast}:question:<id>        string  tasks.Question                             │ TTL 15 s
//	{roomcast}:answer:<id>          string  tasks.Finding                              ┘
//	{roomcast}:preview:<id>         hash    at, jpeg: a picture of what the room got last; TTL 10 s
//	{roomcast}:preview-wanted       zset    push → until when somebody looks at it, see look.lua; TTL 10 s
//	{roomcast}:resume:<key>         hash    how far a source was played, see resume.go; TTL
//	{roomcast}:speed:<machine>      string  pixels that a core encodes in a second, by model of CPU and version; TTL 90 days
//	{roomcast}:stop                 channel ids of pushes to stop, the fast path
//
// Record, events and samples of an ended push expire after the retention. Its index
// entries go when a list meets them or, by way of `ended`, with Trim.
const (
	prefix      = "{roomcast}:"
	keyLive     = prefix + "live"
	keyQueued   = prefix + "queued"
	keyWorkers  = prefix + "workers"
	keyFleet    = prefix + "fleet"
	keyNone     = prefix + "none" // is never there, see Writable
	keyEnded    = prefix + "ended"
	keyFeed     = prefix + "feed"
	keyOutboxes = prefix + "outboxes"
	keyDead     = prefix + "dead-webhooks"

	keyLooks     = prefix + "preview-wanted"
	keyQuestions = prefix + "questions"
	keyActive    = prefix + "index:active"
	keyAll       = prefix + "index:all"
	stopChannel  = prefix + "stop"
)

func keyPush(id string) string           { return prefix + "push:" + id }
func keyHistory(id string) string        { return prefix + "history:" + id }
func keySeries(id string) string         { return prefix + "series:" + id }
func keyQuestion(id string) string       { return prefix + "question:" + id }
func keyAnswer(id string) string         { return prefix + "answer:" + id }
func keyPreview(id string) string        { return prefix + "preview:" + id }
func keySecret(id string) string         { return prefix + "secret:" + id }
func keyOutbox(id string) string         { return prefix + "outbox:" + id }
func keyDelivery(id string) string       { return prefix + "delivery:" + id }
func keyDeadOne(webhook string) string   { return keyDead + ":" + webhook }
func keyResume(key string) string        { return prefix + "resume:" + key }
func keySpeed(machine string) string     { return prefix + "speed:" + machine }
func keyState(s tasks.State) string      { return prefix + "index:state:" + string(s) }
func keyRoom(room string) string         { return prefix + "index:room:" + room }
func keyApp(app string) string           { return prefix + "index:app:" + app }
func keyUserIndex(user string) string    { return prefix + "index:user:" + user }
func keyUserClaim(app, id string) string { return prefix + "user:" + app + ":" + id }
func appText(app uint32) string          { return strconv.FormatUint(uint64(app), 10) }

// idemDigest stands for a client's idempotency key, so that its text, which is
// the client's, does not become a key's name.
func idemDigest(clientKey string) string {
	sum := sha256.Sum256([]byte(clientKey))
	return hex.EncodeToString(sum[:])
}

func keyIdem(digest string) string { return prefix + "idem:" + digest }

// owner is what a push's keys depend on beside its id. It never changes.
type owner struct {
	app, room, user string
	idem            string // digest of the idempotency key, may be empty
}

func ownerOf(s tasks.Spec) owner {
	return owner{app: appText(s.SDKAppID), room: s.RoomID, user: s.UserID}
}

// pushKeys are the first ten KEYS of every script that may end a push, in the
// order of keyset() in lua/lib.lua.
func pushKeys(id string, o owner) []string {
	return []string{
		keyPush(id), keyHistory(id), keyLive, keySecret(id), keyUserClaim(o.app, o.user),
		keyActive, keyEnded,
		keyState(tasks.Completed), keyState(tasks.Failed), keyState(tasks.Stopped),
	}
}
