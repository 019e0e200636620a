package media

// WarningCode names what a person should know of a push that goes on. What each
// means, and what to do, stands in the table of package tasks.
type WarningCode string

// The warnings of an attempt.
const (
	WarnEditSpeed      WarningCode = "edit_speed"
	WarnEndedEarly     WarningCode = "ended_early"
	WarnHole           WarningCode = "hole"
	WarnLateVideo      WarningCode = "late_video"
	WarnLeftOut        WarningCode = "left_out"
	WarnLiveNoParts    WarningCode = "live_has_no_parts"
	WarnLongGOP        WarningCode = "long_gop"
	WarnLost           WarningCode = "lost"
	WarnMaxDuration    WarningCode = "max_duration"
	WarnNoDecoder      WarningCode = "no_decoder"
	WarnTooSlow        WarningCode = "too_slow"
	WarnUserSigExpires WarningCode = "usersig_expires"
)
