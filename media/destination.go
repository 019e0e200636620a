package media

// DestinationReason says what is wrong with a Destination. The set is closed.
type DestinationReason string

// The reasons. A foreign signature is well formed but made for another user or
// app, or with another key than the one configured for the app.
const (
	BadApp         DestinationReason = "bad_app"
	BadRoom        DestinationReason = "bad_room"
	BadUser        DestinationReason = "bad_user"
	BadUserSig     DestinationReason = "bad_usersig"
	ForeignUserSig DestinationReason = "foreign_usersig"
	ExpiredUserSig DestinationReason = "usersig_expired"
	MissingUserSig DestinationReason = "missing_usersig"
)

// DestinationProblem is one thing wrong with a Destination.
type DestinationProblem struct {
	Field  string // the request's name for it: "sdkAppId", "roomId", "userId", "userSig"
	Reason DestinationReason
	Detail string // words a person can act on; holds no secret
}

func (p *DestinationProblem) Error() string { return p.Field + ": " + p.Detail }

// DestinationProblems returns every DestinationProblem in err, through wrapped
// and joined errors, in their order.
func DestinationProblems(err error) []*DestinationProblem {
	switch e := err.(type) { //nolint:errorlint // it walks the tree itself, to find more than the first
	case *DestinationProblem:
		return []*DestinationProblem{e}
	case interface{ Unwrap() error }:
		return DestinationProblems(e.Unwrap())
	case interface{ Unwrap() []error }:
		var found []*DestinationProblem
		for _, inner := range e.Unwrap() {
			found = append(found, DestinationProblems(inner)...)
		}
		return found
	}
	return nil
}
