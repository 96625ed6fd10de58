package cli

// sayLater keeps a remark for sayRemarks; an empty one is not said.
func (a *app) sayLater(text string) {
	if text != "" {
		a.remarks = append(a.remarks, text)
	}
}

// sayRemarks says what was kept while a progress bar had stderr to itself.
func (a *app) sayRemarks(set *settings) {
	if !set.quiet {
		for _, text := range a.remarks {
			a.say("%s", text)
		}
	}
	a.remarks = nil
}
