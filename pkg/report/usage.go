package report

// UsageError reports a request that makes no sense, such as an image that the
// release cannot have. Nothing was judged, and there is no report.
type UsageError struct{ Message string }

func (e *UsageError) Error() string { return e.Message }
