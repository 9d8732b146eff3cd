using System.Diagnostics;
using System.Globalization;

namespace Hearth.Runtime.Tests.Fuzzing;

/// <summary>Rounds of one fuzzer: each has a generator of its own, so that any round can be run again alone.</summary>
/// <remarks>
/// Set by <c>scripts/fuzz</c>: HEARTH_FUZZ_SEED (default 1), HEARTH_FUZZ_MINUTES (default: a fixed number of rounds, for
/// every test run), HEARTH_FUZZ_ROUND (one round alone).
/// </remarks>
internal static class FuzzRun
{
    private static readonly int s_seed = Number("HEARTH_FUZZ_SEED") ?? 1;
    private static readonly int? s_minutes = Number("HEARTH_FUZZ_MINUTES");
    private static readonly int? s_round = Number("HEARTH_FUZZ_ROUND");

    /// <summary>Runs the rounds; an error that the target does not promise fails the test with what runs it again.</summary>
    /// <param name="rounds">How many, where no time is set.</param>
    /// <param name="round">One round; true where its input was taken, false where it was refused.</param>
    /// <param name="allowed">Whether an exception is a refusal that the target promises.</param>
    /// <returns>How many rounds were taken and how many refused.</returns>
    public static async Task<(int Taken, int Refused)> ForEachAsync(int rounds, Func<Random, Task<bool>> round, Func<Exception, bool> allowed)
    {
        var (taken, refused) = (0, 0);
        var end = s_minutes is { } minutes ? Stopwatch.GetTimestamp() + (minutes * 60L * Stopwatch.Frequency) : 0;
        for (var i = s_round ?? 0; s_round is { } only ? i == only : s_minutes is null ? i < rounds : Stopwatch.GetTimestamp() < end; i++)
        {
            try
            {
                if (await round(new Random(unchecked((s_seed * 1_000_003) + i))))
                    taken++;
                else
                    refused++;
            }
            catch (Exception exception) when (allowed(exception))
            {
                refused++;
            }
            catch (Exception exception)
            {
                throw new InvalidOperationException($"round {i} of seed {s_seed} (HEARTH_FUZZ_SEED={s_seed} HEARTH_FUZZ_ROUND={i} runs it again): {exception.GetType().Name}: {exception.Message}", exception);
            }
        }

        return (taken, refused);
    }

    /// <summary>Whether what was taken and refused shows that inputs reached past the first checks; one round alone shows nothing.</summary>
    public static void AssertBoth((int Taken, int Refused) counts)
    {
        if (s_round is null)
        {
            Assert.True(counts.Taken > 0, $"all {counts.Refused} inputs were refused");
            Assert.True(counts.Refused > 0, $"all {counts.Taken} inputs were taken");
        }
    }

    private static int? Number(string name)
        => int.TryParse(Environment.GetEnvironmentVariable(name), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value) ? value : null;
}
