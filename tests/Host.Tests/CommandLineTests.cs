using System.Text;
using System.Text.Json.Nodes;
using Hearth.Host.CommandLine;
using Hearth.Host.Service;

namespace Hearth.Host.Tests;

public sealed class CommandLineTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly FakeLanguageModel _model = new();
    private readonly StringWriter _output = new();
    private readonly StringWriter _error = new();
    private ModelConfiguration? _loaded;

    [Theory]
    [InlineData("", "command")]
    [InlineData("dance", "command")]
    [InlineData("generate", "generate")]
    [InlineData("generate MODEL --prompt a --temperature hot", "hot")]
    [InlineData("generate MODEL --prompt a --temperature -1", "--temperature")]
    [InlineData("generate MODEL --prompt a --top-p 2", "--top-p")]
    [InlineData("generate MODEL --prompt a --beams 0", "--beams")]
    [InlineData("generate MODEL --prompt a --beams 4 --temperature 0.5", "--temperature")]
    [InlineData("generate MODEL --prompt a --length-penalty 2", "--length-penalty")]
    [InlineData("generate MODEL --prompt a --threads 0", "--threads")]
    [InlineData("generate MODEL --prompt a --kv-type q3", "--kv-type")]
    [InlineData("generate MODEL --prompt a --nonsense", "--nonsense")]
    [InlineData("serve --threads 2", "--threads")]
    [InlineData("logits MODEL", "--tokens")]
    [InlineData("embed MODEL --pooling median", "--pooling")]
    [InlineData("embed", "embed")]
    [InlineData("synth --shape 1,2 --type Q8_0 out.gguf", "--shape")]
    [InlineData("synth --shape 64,1,2,1,64,300 --type Q8_0 --experts 4 --experts-used 5 out.gguf", "experts used is 5")]
    [InlineData("synth --shape 64,1,2,1,64,300 --type Q8_0 --experts-used 1 out.gguf", "experts used is 1")]
    [InlineData("bench MODEL --sequences 0", "--sequences")]
    [InlineData("quantize MODEL out.gguf", "quantize")]
    [InlineData("quantize MODEL out.gguf Q9_K", "Q9_K")]
    [InlineData("quantize MODEL out.gguf Q4_K --output-type IQ9", "IQ9")]
    [InlineData("quantize MODEL out.gguf Q4_K --threads 0", "--threads")]
    [InlineData("convert folder", "convert")]
    [InlineData("convert folder out.gguf --type Q4_K", "Q4_K")]
    [InlineData("perplexity MODEL", "--input")]
    [InlineData("perplexity MODEL --input f --stride -1", "--stride")]
    [InlineData("perplexity MODEL --input f --context 3", "--context")]
    public async Task Wrong_usage_is_one_line_and_exit_code_2_and_names_what_is_wrong(string arguments, string named)
    {
        Assert.Equal(2, await RunAsync(arguments));
        Assert.StartsWith("hearth: ", _error.ToString(), StringComparison.Ordinal);
        Assert.Single(_error.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.DoesNotContain("(Parameter", _error.ToString(), StringComparison.Ordinal);
        Assert.Contains(named, _error.ToString().Split("(see hearth")[0], StringComparison.Ordinal);
        Assert.Empty(_output.ToString());
    }

    [Fact]
    public async Task Warnings_of_a_model_go_to_standard_error()
    {
        var warned = new FakeLanguageModel { Warnings = ["token 3 is odd"] };
        var environment = new CommandEnvironment { Input = Stream.Null, Output = _output, Error = _error, Load = (_, _, _) => Task.FromResult<IModel>(warned) };

        Assert.Equal(0, await HearthCommand.RunAsync(["generate", _folder.Write("model.gguf", ""), "--prompt", "a"], environment, TestContext.Current.CancellationToken));
        Assert.Equal("hearth: warning: token 3 is odd", _error.ToString().Trim());
        Assert.DoesNotContain("odd", _output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_setting_makes_the_templates_markers_control_tokens()
    {
        await RunAsync("generate MODEL --prompt a --template-control-tokens");
        Assert.True(_loaded!.TemplateControlTokens);
        Assert.True(_loaded.ToOptions().TemplateControlTokens);
    }

    [Theory]
    [InlineData("--temperature -1", "--temperature must be at least 0")]
    [InlineData("--temperature hot", "--temperature must be a number")]
    [InlineData("--top-p 2", "--top-p must be between 0 and 1")]
    [InlineData("--repetition-penalty 0", "--repetition-penalty must be greater than 0")]
    [InlineData("--max-tokens -2", "--max-tokens must be at least -1")]
    [InlineData("--penalty-window -2", "--penalty-window must be at least -1")]
    [InlineData("--seed 1.5", "--seed must be an integer of 64 bits")]
    [InlineData("--beams 0", "--beams must be between 1 and 256")]
    [InlineData("--beams 4 --temperature 0.5", "--temperature is of sampling")]
    [InlineData("--on-full fall", "--on-full must be stop, shift or error, found 'fall'")]
    [InlineData("--n-keep -2", "--n-keep must be at least -1")]
    [InlineData("--length-penalty 2", "--length-penalty ranks the texts of a beam search")]
    public async Task A_wrong_option_is_named_by_its_flag(string flags, string words)
    {
        Assert.Equal(2, await RunAsync("generate MODEL --prompt a " + flags));
        Assert.StartsWith("hearth: " + words, _error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Minus_one_asks_for_no_limit_and_a_fresh_seed()
    {
        Assert.Equal(0, await RunAsync("generate MODEL --prompt a --max-tokens -1 --seed -1"));
        Assert.True(_model.Requests.TryDequeue(out var request));
        Assert.Null(request.Options.Seed);
        Assert.Equal(int.MaxValue, request.Options.TokenLimit);
    }

    [Fact]
    public async Task What_the_model_refuses_of_a_request_is_wrong_usage()
    {
        _model.Reply = _ => throw new InvalidRequestException(nameof(GenerationOptions.Beams), "must be at most 4, found 5");
        Assert.Equal(2, await RunAsync("generate MODEL --prompt a --beams 5"));
        Assert.Equal("hearth: --beams must be at most 4, found 5", _error.ToString().TrimEnd());
    }

    [Theory]
    [InlineData("generate nowhere/model.gguf --prompt a")]
    [InlineData("inspect BROKEN")]
    [InlineData("tokenize BROKEN")]
    [InlineData("quantize BROKEN out.gguf Q4_0")]
    [InlineData("quantize MODEL out.gguf Q4_0 --imatrix nowhere.gguf")]
    [InlineData("serve --config nowhere.json")]
    [InlineData("logits MODEL --tokens nowhere.txt --output out.f32")]
    [InlineData("convert nowhere out.gguf")]
    [InlineData("cache list nowhere")]
    [InlineData("cache verify nowhere")]
    [InlineData("cache drop nowhere --all")]
    [InlineData("perplexity MODEL --input nowhere.txt")]
    public async Task A_failure_is_one_line_and_exit_code_1(string arguments)
    {
        Assert.Equal(1, await RunAsync(arguments));
        Assert.StartsWith("hearth: ", _error.ToString(), StringComparison.Ordinal);
        Assert.Single(_error.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.Empty(_output.ToString());
    }

    [Theory]
    [InlineData("--help")]
    [InlineData("generate --help")]
    [InlineData("--version")]
    public async Task Help_and_version_succeed(string arguments)
    {
        Assert.Equal(0, await RunAsync(arguments));
        Assert.NotEmpty(_output.ToString());
    }

    [Fact]
    public async Task Generate_writes_the_text_as_it_is()
    {
        Assert.Equal(0, await RunAsync("generate MODEL --prompt", ["one two three", "--max-tokens", "2", "--temperature", "0", "--seed", "3", "--stop", "x", "--stop", "y"]));

        Assert.Equal("one two ", _output.ToString());
        Assert.Empty(_error.ToString());
        Assert.True(_model.IsDisposed);
        Assert.True(_model.Requests.TryDequeue(out var request));
        Assert.Equal((2, 0f, 3ul), (request.Options.MaxTokens, request.Options.Temperature, request.Options.Seed));
        Assert.Equal(["x", "y"], request.Options.StopSequences);
    }

    [Fact]
    public async Task Generate_hands_beams_on()
    {
        Assert.Equal(0, await RunAsync("generate MODEL --prompt a --beams 4 --length-penalty 0.5"));
        Assert.True(_model.Requests.TryDequeue(out var request));
        Assert.Equal((4, 0.5f), (request.Options.Beams, request.Options.LengthPenalty));
    }

    [Fact]
    public async Task Generate_hands_a_constraint_on()
    {
        var schema = _folder.Write("schema.json", """{"type": "array"}""");
        Assert.Equal(0, await RunAsync("generate MODEL --prompt a --schema", [schema]));
        Assert.Equal(0, await RunAsync("generate MODEL --prompt a --regex a+ --stop x"));
        Assert.Equal(Runtime.Constraints.Constraint.JsonSchema("""{"type": "array"}"""), _model.Requests.First().Options.Constraint);
        Assert.Equal(Runtime.Constraints.Constraint.Regex("a+"), _model.Requests.Last().Options.Constraint);
    }

    [Theory]
    [InlineData("--regex a --ignore-eos", "--ignore-eos contradicts a constraint")]
    [InlineData("--regex a --min-tokens 2", "--min-tokens contradicts a constraint")]
    [InlineData("--regex a --grammar MODEL", "a text fits one of")]
    public async Task What_contradicts_a_constraint_is_wrong_usage(string flags, string words)
    {
        Assert.Equal(2, await RunAsync("generate MODEL --prompt a " + flags));
        Assert.StartsWith("hearth: " + words, _error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_constraint_that_cannot_be_enforced_is_wrong_usage()
    {
        _model.Reply = _ => throw new Runtime.Constraints.ConstraintException("it cannot be", "/items", "contains");
        Assert.Equal(2, await RunAsync("generate MODEL --prompt a --regex a"));
        Assert.Equal("hearth: the constraint cannot be enforced: it cannot be (keyword 'contains' at /items)", _error.ToString().TrimEnd());
    }

    [Fact]
    public async Task Generate_reads_a_piped_prompt()
    {
        Assert.Equal(0, await RunAsync("generate MODEL", input: "from a pipe"));
        Assert.Equal("from a pipe", _output.ToString());
    }

    [Fact]
    public async Task Generate_as_JSON_tells_reason_and_usage()
    {
        Assert.Equal(0, await RunAsync("generate MODEL --prompt hello --json --context 64 --threads 3 --kv-type q8_0"));

        var result = JsonNode.Parse(_output.ToString())!;
        Assert.Equal("hello", result["text"]!.GetValue<string>());
        Assert.Equal("stop", result["finish_reason"]!.GetValue<string>());
        Assert.Equal(1, result["usage"]!["completion_tokens"]!.GetValue<int>());
        Assert.Equal((64, 3, "Q8_0"), (_loaded!.ContextLength, _loaded.Threads, _loaded.KeyType.ToString()));
    }

    [Fact]
    public async Task Run_answers_each_piped_line_and_remembers_the_turns()
    {
        Assert.Equal(0, await RunAsync("run MODEL --system brief", input: "first\n\nsecond one\n"));

        Assert.Equal("first\nsecond one\n", _output.ToString().ReplaceLineEndings("\n"));
        Assert.Equal(["system", "user", "assistant", "user"], _model.Chats.Last().Messages.Select(message => message.Role));
    }

    [Fact]
    public async Task Cancelling_ends_with_130()
    {
        using var cancellation = new CancellationTokenSource();
        _model.BeforeUpdate = (i, cancelled) =>
        {
            cancellation.Cancel();
            return Task.Delay(Timeout.Infinite, cancelled);
        };
        Assert.Equal(130, await RunAsync("generate MODEL --prompt a", cancellationToken: cancellation.Token));
        Assert.Empty(_error.ToString());
        Assert.True(_model.IsDisposed);
    }

    [Fact]
    public async Task An_unexpected_error_shows_its_stack_only_when_asked()
    {
        _model.Reply = _ => throw new InvalidOperationException("broken");
        Assert.Equal(1, await RunAsync("generate MODEL --prompt a"));
        Assert.Contains("--verbose", _error.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", _error.ToString(), StringComparison.Ordinal);

        Assert.Equal(1, await RunAsync("generate MODEL --prompt a --verbose"));
        Assert.Contains("   at ", _error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_synthesized_model_can_be_inspected_and_tokenizes()
    {
        var path = Path.Combine(_folder.Path, "tiny.gguf");
        Assert.Equal(0, await RunAsync("synth --type Q8_0 --shape 64,1,2,1,64,300", [path]));
        Assert.Equal(0, await RunAsync("inspect --json --tensors", [path]));
        var description = JsonNode.Parse(_output.ToString())!;
        Assert.Equal("llama", description["metadata"]!["general.architecture"]!.GetValue<string>());
        Assert.Equal(12, description["tensors"]!.AsArray().Count);

        _output.GetStringBuilder().Clear();
        Assert.Equal(0, await RunAsync("tokenize", [path], input: "ab\0\0c\0"));
        var lines = _output.ToString().ReplaceLineEndings("\n").Split('\n');
        Assert.Equal(4, lines.Length);
        Assert.Equal(["", "", "2,0,1"], [lines[1], lines[3], string.Join(',', lines[..3].Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries).Length))]);
    }

    [Theory]
    [InlineData("1 2\n3\t4", "1 2 3 4")]
    public void Token_ids_are_separated_by_white_space(string text, string ids)
        => Assert.Equal(ids, string.Join(' ', Hearth.Host.CommandLine.Verbs.LogitsVerb.ParseIds(text, "f")));

    [Theory]
    [InlineData("")]
    [InlineData("1 two")]
    [InlineData("-1")]
    [InlineData("99999999999")]
    public void What_is_no_token_id_is_refused(string text)
        => Assert.Throws<HearthException>(() => Hearth.Host.CommandLine.Verbs.LogitsVerb.ParseIds(text, "f"));

    public void Dispose()
    {
        _folder.Dispose();
        _output.Dispose();
        _error.Dispose();
    }

    /// <summary>MODEL and BROKEN stand for an existing file.</summary>
    private async Task<int> RunAsync(string arguments, string[]? more = null, string input = "", CancellationToken cancellationToken = default)
    {
        var file = _folder.Write("file.gguf", "no model");
        var environment = new CommandEnvironment
        {
            Input = new MemoryStream(Encoding.UTF8.GetBytes(input)),
            Output = _output,
            Error = _error,
            Load = (configuration, _, _) =>
            {
                _loaded = configuration;
                return Task.FromResult<IModel>(_model);
            },
        };
        var words = arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(word => word is "MODEL" or "BROKEN" ? file : word);
        return await HearthCommand.RunAsync([.. words, .. more ?? []], environment, cancellationToken);
    }
}
