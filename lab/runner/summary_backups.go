package runner

import (
	"slices"
	"time"
)

// Spread is a half and the most of a measure.
type Spread struct {
	P50 time.Duration `json:"p50"` // in JSON nanoseconds
	Max time.Duration `json:"max"`
}

// BackupSummary is what backups measured.
type BackupSummary struct {
	Taken    int    `json:"taken"`
	Failed   int    `json:"failed"`
	Checked  int    `json:"checked"`
	Attempts int    `json:"attempts"` // the most of one
	DeadTime Spread `json:"deadTime"`
	Hold     Spread `json:"hold"`
	CutSkew  Spread `json:"cutSkew"`
	RPO      Spread `json:"rpo"`
	RTO      Spread `json:"rto"`
}

func backups(results []Result) (b BackupSummary) {
	var dead, hold, skew, rpo, rto []time.Duration
	for _, r := range results {
		for _, x := range r.Verdict.Backups {
			if x.ID == "" {
				b.Failed++
				continue
			}
			b.Taken++
			if x.Checked {
				b.Checked++
			}
			b.Attempts = max(b.Attempts, x.Attempts)
			dead, hold, skew, rpo = append(dead, x.DeadTime), append(hold, x.Hold), append(skew, x.CutSkew), append(rpo, x.RPO)
			if x.RTO > 0 {
				rto = append(rto, x.RTO)
			}
		}
	}
	b.DeadTime, b.Hold, b.CutSkew, b.RPO, b.RTO = spread(dead), spread(hold), spread(skew), spread(rpo), spread(rto)
	return b
}

func spread(all []time.Duration) Spread {
	if len(all) == 0 {
		return Spread{}
	}
	slices.Sort(all)
	return Spread{P50: all[len(all)/2], Max: all[len(all)-1]}
}
