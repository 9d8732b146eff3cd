using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Hearth.Runtime.Constraints;
using Hearth.Runtime.Conversion;
using Hearth.Runtime.Synthesis;
using Hearth.Runtime.Tests.Constraints.Walks;
using Hearth.Runtime.Tests.Support;
using Json.Schema;

namespace Hearth.Runtime.Tests.Constraints.Models;

/// <summary>Texts that models write under schemas, many at a time, judged by JsonSchema.Net.</summary>
/// <remarks>
/// HEARTH_TEST_OUTPUTS sets how many texts are written. HEARTH_TEST_CASES names a folder of JSON files with a "schema" each,
/// which are taken instead of random ones.
/// </remarks>
public sealed class RandomModelTests
{
    private static readonly int s_count = int.TryParse(Environment.GetEnvironmentVariable("HEARTH_TEST_OUTPUTS"), CultureInfo.InvariantCulture, out var count) ? count : 60;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Whatever_a_model_of_random_weights_says_is_valid_also_where_requests_are_preempted()
    {
        using var folder = new TemporaryFolder();
        ModelSynthesizer.Write(folder.File("random.gguf"), SyntheticShape.Parse("64,1,2,1,64,400"), "Q8_0");

        // Room for some of the requests at a time: others give way and are read again.
        await using var model = await LanguageModel.LoadAsync(folder.File("random.gguf"), new ModelOptions { ContextLength = 1024, CacheTokens = 1024, PrefixCaching = false, MaxSequences = 8 }, cancellationToken: Token);
        var preempted = 0L;
        using var listener = new System.Diagnostics.Metrics.MeterListener();
        listener.InstrumentPublished = (instrument, all) =>
        {
            if (instrument.Name == "hearth.requests.preempted")
            {
                all.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<long>((_, more, _, _) => Interlocked.Add(ref preempted, more));
        listener.Start();

        var faults = new List<string>();
        var (ended, cut, refused, odd, unread) = (0, 0, 0, 0, 0);
        await Parallel.ForEachAsync(Schemas(), new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = Token }, async (one, cancellationToken) =>
        {
            var (seed, schema) = one;
            if (Validator(schema) is not { } validator)
            {
                Interlocked.Increment(ref unread);
                return;
            }

            var text = new StringBuilder();
            var reason = (FinishReason?)null;
            try
            {
                var options = new GenerationOptions
                {
                    Constraint = Constraint.JsonSchema(schema) with { Layout = seed % 3 == 0 ? JsonLayout.Spaced : JsonLayout.Free },
                    Seed = (ulong)seed,
                    Temperature = seed % 5,
                    MaxTokens = 700,
                };
                await foreach (var update in model.GenerateAsync(new GenerationRequest { Prompt = model.Tokenize("Say: "), Options = options }, cancellationToken))
                {
                    text.Append(update.Text);
                    reason ??= update.FinishReason;
                }
            }
            catch (ConstraintException)
            {
                Interlocked.Increment(ref refused);
                return;
            }

            catch (InvalidRequestException exception)
            {
                lock (faults)
                {
                    faults.Add($"seed {seed}: {schema} behind {text}: {exception.Message}");
                }

                return;
            }

            if (reason != FinishReason.Stop)
            {
                Interlocked.Increment(ref cut);
                return;
            }

            Interlocked.Increment(ref ended);
            if (SchemaVerdict.Of(validator, schema, text.ToString()) is not { } isValid)
            {
                Interlocked.Increment(ref odd);
            }
            else if (!isValid)
            {
                lock (faults)
                {
                    faults.Add($"seed {seed}: {schema} let through {text}");
                }
            }
        });

        // Texts that cannot all stay in the cache until they end, whatever their tokens are: one of them must make room.
        var longs = Enumerable.Range(0, 8).Select(async seed =>
        {
            var text = new StringBuilder();
            var options = new GenerationOptions { Constraint = Constraint.Regex("([a-z] ){250}"), Seed = (ulong)seed, Temperature = 1, MaxTokens = 600 };
            await foreach (var update in model.GenerateAsync(new GenerationRequest { Prompt = model.Tokenize("Say: "), Options = options }, Token))
                text.Append(update.Text);
            return text.ToString();
        });
        Assert.All(await Task.WhenAll(longs), text => Assert.Matches("^([a-z] ){250}$", text));

        TestContext.Current.TestOutputHelper!.WriteLine($"{ended} texts ended ({odd} of them beyond what the validator reads exactly), {cut} were cut at 700 tokens, {refused} schemas refused, {unread} not read by the validator, {preempted} preemptions");
        Assert.True(faults.Count == 0, $"{faults.Count} faults\n" + string.Join('\n', faults.OrderBy(fault => fault.Length).Take(10)));
        Assert.True(ended > (s_count - unread) / 3, $"{ended} ended, {cut} cut, {refused} refused");
        Assert.NotEqual(0, preempted);
        Assert.Equal(0, model.Load.UsedPages);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public async Task An_encoder_decoder_keeps_to_a_constraint(int beams)
    {
        using var folder = new TemporaryFolder();
        ModelConverter.Convert(SharedFolder.Require("assets", "misaki-bart"), folder.File("m.gguf"), cancellationToken: Token);
        await using var model = await LanguageModel.LoadAsync(folder.File("m.gguf"), cancellationToken: Token);
        foreach (var word in new[] { "knight", "psychology", "a" })
        {
            var options = new GenerationOptions { Constraint = Constraint.Regex(".{9,10}"), Temperature = beams > 1 ? null : 0, Beams = beams > 1 ? beams : null };
            var text = new StringBuilder();
            GenerationUpdate? last = null;
            await foreach (var update in model.GenerateAsync(new GenerationRequest { Prompt = model.Tokenize(word), Options = options }, Token))
            {
                text.Append(update.Text);
                last = update;
            }

            Assert.Equal(FinishReason.Stop, last!.FinishReason);
            Assert.InRange(text.ToString().EnumerateRunes().Count(), 9, 10);
        }
    }

    // None for dialects that the library has not, and for what it holds to be no schema. Draft 4 is read as draft 7, which
    // says the same of all but exclusive limits.
    private static JsonSchema? Validator(string schema)
    {
        try
        {
            var isDraft4 = schema.Contains("draft-04", StringComparison.Ordinal);
            return isDraft4 && Regex.IsMatch(schema, @"""exclusiveM(in|ax)imum"":\s*(true|false)")
                ? null
                : JsonSchema.FromText(isDraft4 ? Regex.Replace(schema, "draft-04/schema#?", "draft-07/schema#") : schema, new BuildOptions { SchemaRegistry = new SchemaRegistry() });
        }
        catch (JsonSchemaException)
        {
            return null;
        }
    }

    private static IEnumerable<(int Seed, string Schema)> Schemas()
    {
        if (Environment.GetEnvironmentVariable("HEARTH_TEST_CASES") is { Length: > 0 } folder)
        {
            var files = Directory.GetFiles(folder, "*.json").Order(StringComparer.Ordinal).ToList();
            for (var i = 0; i < s_count; i++)
            {
                using var document = JsonDocument.Parse(File.ReadAllBytes(files[(int)((long)i * files.Count / s_count) % files.Count]), new JsonDocumentOptions { MaxDepth = 1000 });
                yield return (i, document.RootElement.GetProperty("schema").GetRawText());
            }

            yield break;
        }

        for (var seed = 0; seed < s_count; seed++)
        {
            yield return (seed, new RandomSchemas(new Random(seed)).Root(3).ToJsonString());
        }
    }
}
