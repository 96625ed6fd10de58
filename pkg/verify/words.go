package verify

func brief(sum string) string {
	if len(sum) > 12 {
		return sum[:12] + "..."
	}
	return sum
}
