package report

// Counts say how many results of a report have which verdict.
type Counts struct {
	Verified int `json:"verified"`
	Refuted  int `json:"refuted"`
	Unknown  int `json:"unknown"`
}

// Counts counts the results by their verdicts.
func (r Report) Counts() Counts {
	var n Counts
	for _, res := range r.Results {
		switch res.Verdict() {
		case Verified:
			n.Verified++
		case Refuted:
			n.Refuted++
		default:
			n.Unknown++
		}
	}
	return n
}
