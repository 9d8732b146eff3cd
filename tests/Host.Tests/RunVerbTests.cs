using System.Text;
using Hearth.Host.CommandLine;

namespace Hearth.Host.Tests;

/// <summary><c>hearth run</c> with somebody at the terminal.</summary>
public sealed class RunVerbTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly StringWriter _output = new();
    private readonly StringWriter _error = new();

    [Fact]
    public async Task Ctrl_C_ends_the_answer_and_not_the_chat()
    {
        var model = new FakeLanguageModel();
        var environment = Environment("one two three\nfour\n");
        var pressed = false;
        model.BeforeUpdate = (i, cancelled) =>
        {
            if (i != 1 || pressed)
            {
                return Task.CompletedTask;
            }

            pressed = true;
            Assert.True(environment.Interruption.TryTake());
            return Task.Delay(Timeout.Infinite, cancelled);
        };

        Assert.Equal(0, await RunAsync(environment, model));
        Assert.Equal(["user", "assistant", "user"], model.Chats.Last().Messages.Select(message => message.Role));
        Assert.Equal("one ", model.Chats.Last().Messages[1].Content);
        Assert.Contains("ended by Ctrl-C", _output.ToString(), StringComparison.Ordinal);
        Assert.Contains("four", _output.ToString(), StringComparison.Ordinal);
        Assert.False(environment.Interruption.TryTake());
    }

    [Theory]
    [InlineData("/help", "/clear", "ends an answer")]
    [InlineData("/?", "/clear", "ends an answer")]
    [InlineData("/hepl", "there is no /hepl", "/help")]
    public async Task A_command_is_not_for_the_model(string line, params string[] said)
    {
        var model = new FakeLanguageModel();
        Assert.Equal(0, await RunAsync(Environment(line + "\n"), model));
        Assert.Empty(model.Chats);
        Assert.All(said, part => Assert.Contains(part, _output.ToString(), StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("/etc/passwd is a file")]
    [InlineData(" /help")]
    [InlineData("/")]
    public async Task What_is_no_command_goes_to_the_model(string line)
    {
        var model = new FakeLanguageModel();
        Assert.Equal(0, await RunAsync(Environment(line + "\n"), model));
        Assert.Equal(line, Assert.Single(Assert.Single(model.Chats).Messages).Content);
    }

    [Fact]
    public async Task A_turn_that_does_not_fit_leaves_the_chat_as_it_was()
    {
        var model = new FakeLanguageModel { ContextLength = 8 };
        Assert.Equal(0, await RunAsync(Environment("far too long for it\nfits\n"), model));
        Assert.Contains("at most 8 fit", _output.ToString().ReplaceLineEndings(" "), StringComparison.Ordinal);
        Assert.Equal("fits", Assert.Single(model.Chats.Last().Messages).Content);
    }

    public void Dispose()
    {
        _folder.Dispose();
        _output.Dispose();
        _error.Dispose();
    }

    private CommandEnvironment Environment(string input) => new()
    {
        Input = new MemoryStream(Encoding.UTF8.GetBytes(input)),
        Output = _output,
        Error = _error,
        InputIsPiped = false,
        OutputIsPiped = false,
        Load = (_, _, _) => throw new InvalidOperationException(),
    };

    private Task<int> RunAsync(CommandEnvironment environment, FakeLanguageModel model)
        => HearthCommand.RunAsync(["run", _folder.Write("file.gguf", "no model")], environment with { Load = (_, _, _) => Task.FromResult<IModel>(model) }, CancellationToken.None);
}
