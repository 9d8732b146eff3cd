namespace Hearth.Runtime.Scheduling;

/// <summary>One request's share of a step.</summary>
/// <param name="Request">An admitted request.</param>
/// <param name="Rows">Tokens of its history that the step computes, at least 1.</param>
/// <param name="WantsLogits">Whether a token is chosen after the last of them.</param>
internal readonly record struct StepEntry(ScheduledRequest Request, int Rows, bool WantsLogits);

/// <summary>Decides what a step computes; changes nothing.</summary>
internal static class StepPlan
{
    /// <summary>Gives each decoding request its row, then what is forced of their texts, then the rest of the budget to prompts in their order.</summary>
    /// <param name="admitted">First come first, at most rowBudget of them.</param>
    /// <param name="rowBudget">Rows of the step.</param>
    /// <param name="entries">Receives the plan.</param>
    public static void Build(IReadOnlyList<ScheduledRequest> admitted, int rowBudget, List<StepEntry> entries)
    {
        entries.Clear();
        var decoding = 0;
        foreach (var request in admitted)
        {
            decoding += request.IsDecoding && !request.Awaits ? 1 : 0;
        }

        foreach (var request in admitted)
        {
            if (request.IsDecoding && rowBudget > 0 && !request.Awaits)
            {
                // Those that come later are left a row each.
                var rows = Math.Clamp(rowBudget - --decoding, 1, request.Pending);
                entries.Add(Entry(request, rows));
                rowBudget -= rows;
            }
        }

        foreach (var request in admitted)
        {
            if (!request.IsDecoding && rowBudget > 0 && !request.Awaits)
            {
                var rows = Math.Min(request.Pending, rowBudget);
                entries.Add(Entry(request, rows));
                rowBudget -= rows;
            }
        }
    }

    private static StepEntry Entry(ScheduledRequest request, int rows)
        => new(request, rows, rows == request.Pending && request.CompletionTokens < request.MaxCompletion);
}
