using Hearth.Ember.Data;

namespace Hearth.Ember.Evaluation;

/// <summary>A bare chat on the console, to try a checkpoint by hand. An empty line starts a new conversation.</summary>
public static class Chat
{
    public static async Task RunAsync(IResponder responder)
    {
        var dialogue = new Dialogue();
        while (Console.ReadLine() is { } line)
        {
            if (line.Length == 0)
            {
                dialogue = new Dialogue();
                continue;
            }
            dialogue.Turns.Add(Turn.User(line));
            string reply = await responder.ReplyAsync(dialogue);
            dialogue.Turns.Add(Turn.Assistant(reply));
            Console.WriteLine($"> {line}\n{reply}");
        }
    }
}
