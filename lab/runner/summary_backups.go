package runner

import (
	"slices"
	"time"

	"stasis/lab/verdict"
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
			for _, m := range []struct {
				measure string
				is      time.Duration
				into    *[]time.Duration
			}{
				{verdict.MeasureDeadTime, x.DeadTime, &dead}, {verdict.MeasureHold, x.Hold, &hold}, {verdict.MeasureCutSkew, x.CutSkew, &skew},
				{verdict.MeasureRPO, x.RPO, &rpo}, {verdict.MeasureRTO, x.RTO, &rto},
			} {
				if x.Knows(m.measure) {
					*m.into = append(*m.into, m.is)
				}
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
