package strictjson

// Error says why a document is refused.
type Error struct {
	Why    string
	Offset int64 // in bytes, of what is wrong
	Err    error // of encoding/json, if it is no JSON at all
}

func (e *Error) Error() string { return e.Why }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }
