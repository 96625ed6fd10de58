package command

// SayLater keeps a remark for sayRemarks; an empty one is not said.
func (a *App) SayLater(text string) {
	if text != "" {
		a.Remarks = append(a.Remarks, text)
	}
}

// SayRemarks says what was kept while a progress bar had stderr to itself.
func (a *App) SayRemarks(set *Settings) {
	if !set.Quiet {
		for _, text := range a.Remarks {
			a.Say("%s", text)
		}
	}
	a.Remarks = nil
}
